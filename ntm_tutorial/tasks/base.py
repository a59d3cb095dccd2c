"""What every task has: a name, its channels, its training range, and random episodes."""

from abc import ABC, abstractmethod
from numbers import Integral
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from ntm_tutorial.checks import check_positive

Difficulty = dict[str, int | Tensor]
"""How hard an episode is, such as ``{"length": 20}``; a tensor holds one value per sequence."""


class Episode(NamedTuple):
    """A batch of sequences, time first.

    ``mask`` marks the steps whose outputs count. It is ``(T,)`` where all sequences are equally
    long and ``(T, B)`` where they differ; a shorter sequence is padded with zeros at its end.
    """

    inputs: Float[Tensor, "T B I"]
    targets: Float[Tensor, "T B O"]
    mask: Bool[Tensor, "T"] | Bool[Tensor, "T B"]

    def to(self, device: torch.device | str) -> "Episode":
        """Move all three tensors to a device."""
        return Episode(*(tensor.to(device) for tensor in self))


class Task(ABC):
    """A task draws random episodes of a chosen difficulty.

    Attributes:
        name: the task's name, its key in ``TASKS``.
        input_size: channels of the input.
        output_size: channels of the output.
        input_channels: the input's channels by name, such as ``{"bits": slice(0, 8), ...}``; empty
            for a task that names none.
        training_range: lowest and highest value of each difficulty in the paper's training.
    """

    name: str
    input_size: int
    output_size: int
    input_channels: dict[str, slice] = {}
    training_range: dict[str, tuple[int, int]]

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
        """
        shape = () if batch_size is None else (batch_size,)
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
        check_positive(batch_size=batch_size)
        if value is None:
            value = self.draw(batch_size, generator)[name]
        values = per_sequence(name, value, batch_size)
        if values.min() < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
        return values


def per_sequence(name: str, value: int | Int[Tensor, "B"], batch_size: int) -> Int[Tensor, "B"]:
    """Return one whole number per sequence, given one for all or one for each.

    Raises:
        ValueError: if it is not whole, or there is not one for each.
    """
    values = torch.as_tensor(value) if isinstance(value, Integral | Tensor) else torch.empty(0)
    if values.is_floating_point() or values.dtype == torch.bool:
        raise ValueError(f"{name}: expected a whole number, got {value!r}")
    if values.shape not in ((), (batch_size,)):
        raise ValueError(
            f"{name}: expected one number or {batch_size} of them, got {tuple(values.shape)}"
        )
    return values.expand(batch_size)


def random_bits(*shape: int, generator: Generator | None = None) -> Float[Tensor, "..."]:
    """Draw fair coin flips, as 0.0 and 1.0."""
    return torch.randint(2, shape, generator=generator).float()


def same_for_all(mask: Bool[Tensor, "T B"]) -> Bool[Tensor, "T"] | Bool[Tensor, "T B"]:
    """Drop a mask's batch dimension where all sequences agree."""
    return mask[:, 0] if bool((mask == mask[:, :1]).all()) else mask
