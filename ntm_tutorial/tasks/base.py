"""What every task has: a name, its channels, its training range, and random episodes."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from ntm_tutorial.checks import check_number, telling, whole

Difficulty = dict[str, int | Tensor]
"""How hard an episode is, such as ``{"length": 20}``; a tensor holds one value per sequence."""


class _Tensors(NamedTuple):
    inputs: Float[Tensor, "T B I"]
    targets: Float[Tensor, "T B O"]
    mask: Bool[Tensor, "T"] | Bool[Tensor, "T B"]


class Episode(_Tensors):
    """A batch of sequences, time first: three tensors, and how hard they are.

    ``mask`` marks the steps whose outputs count. It is ``(T,)`` where all sequences are equally
    long and ``(T, B)`` where they differ; a shorter sequence is padded with zeros at its end.
    ``difficulty`` is None where nobody said.
    """

    difficulty: Difficulty | None = None

    def __new__(
        cls,
        inputs: Float[Tensor, "T B I"],
        targets: Float[Tensor, "T B O"],
        mask: Bool[Tensor, "T"] | Bool[Tensor, "T B"],
        difficulty: Difficulty | None = None,
    ) -> "Episode":
        """Put the tensors together, and say how hard they are."""
        episode = super().__new__(cls, inputs, targets, mask)
        episode.difficulty = difficulty
        return episode

    @telling
    def one(self, name: str) -> int:
        """Return a difficulty that is the same for all sequences, such as "length".

        Raises:
            ValueError: if it differs, or nobody said; the name of one that is not there.
        """
        known = self.difficulty or {}
        if name not in list(known):
            raise ValueError(
                f"name: expected a difficulty of the episode, {list(known)}, got {name!r:.80}"
            )
        values = torch.as_tensor(known[name]).unique().tolist()
        if len(values) != 1:
            raise ValueError(f"episode: expected the same {name} for all sequences, got {values}")
        return int(values[0])

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> "Episode":
        """Move all three tensors to a device; with ``dtype``, as numbers of that type."""
        inputs, targets = (tensor.to(device, dtype) for tensor in (self.inputs, self.targets))
        return Episode(inputs, targets, self.mask.to(device), self.difficulty)


class Task(ABC):
    """A task draws random episodes of a chosen difficulty.

    Attributes:
        name: the task's name, its key in ``TASKS``.
        input_size: channels of the input.
        output_size: channels of the output.
        input_channels: the input's channels by name, such as ``{"bits": slice(0, 8), ...}``; empty
            for a task that names none.
        training_range: lowest and highest value of each difficulty in the paper's training.
        heard: the input channels where a model hears its last answer; None where it hears none.
        optimum: maps inputs (T, B, I) to the logits of the best that can be said; None where
            everything can be right.
    """

    name: str
    input_size: int
    output_size: int
    input_channels: dict[str, slice] = {}
    training_range: dict[str, tuple[int, int]]
    heard: slice | None = None
    optimum: Callable[[Tensor], Tensor] | None = None

    @abstractmethod
    def sample(self, batch_size: int, *, generator: Generator | None = None) -> Episode:
        """Draw a batch of fresh random sequences."""

    def draw(
        self,
        batch_size: int | None = None,
        generator: Generator | None = None,
        share: float = 1.0,
    ) -> Difficulty:
        """Draw difficulties from the training range, as keyword arguments for ``sample``.

        Args:
            batch_size: draw one for each of so many sequences (B,); left out, one for all.
            generator: source of randomness.
            share: draw only from this share of the training range, from its easy end.

        Raises:
            ValueError: if the batch size is below 1, or the share not from 0 to 1.
        """
        check_number("share", share, 0, 1)
        shape = () if batch_size is None else (whole("batch_size", batch_size),)
        draws = {
            name: torch.randint(
                low, low + round(share * (high - low)) + 1, shape, generator=generator
            )
            for name, (low, high) in self.training_range.items()
        }
        return {name: value if shape else int(value) for name, value in draws.items()}

    def _difficulty(
        self,
        name: str,
        value: int | Int[Tensor, "B"] | None,
        batch_size: int,
        generator: Generator | None,
    ) -> Int[Tensor, "B"]:
        """Return one value per sequence: the one given, or drawn from the training range."""
        if value is None:
            value = self.draw(batch_size, generator)[name]
        return per_sequence(name, value, whole("batch_size", batch_size), least=1)


def per_sequence(
    name: str, value: int | Int[Tensor, "B"], batch_size: int, least: int | None = None
) -> Int[Tensor, "B"]:
    """Return one whole number per sequence, given one for all or one for each.

    Raises:
        ValueError: if it is not whole, there is not one for each, or one is below ``least``.
    """
    if isinstance(value, Tensor) and value.dim():
        if value.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
            raise ValueError(f"{name}: expected a whole number, got {value!r}")
        if value.shape != (batch_size,):
            raise ValueError(
                f"{name}: expected one number or {batch_size} of them, got {tuple(value.shape)}"
            )
        values = value.long()  # whatever is computed from it has room
    else:
        values = torch.tensor(whole(name, value, None)).expand(batch_size)
    if least is not None and values.min() < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
    return values


def random_bits(*shape: int, generator: Generator | None = None) -> Float[Tensor, "..."]:
    """Draw fair coin flips, as 0.0 and 1.0."""
    return torch.randint(2, shape, generator=generator).to(torch.get_default_dtype())


def random_numbers(*shape: int, generator: Generator | None = None) -> Float[Tensor, "..."]:
    """Draw numbers from 0 to 1, the same ones whatever the default type."""
    drawn = torch.rand(*shape, generator=generator, dtype=torch.float32)
    return drawn.to(torch.get_default_dtype())


def same_for_all(mask: Bool[Tensor, "T B"]) -> Bool[Tensor, "T"] | Bool[Tensor, "T B"]:
    """Drop a mask's batch dimension where all sequences agree."""
    return mask[:, 0] if bool((mask == mask[:, :1]).all()) else mask
