"""What every picture checks before it draws: that there is something, and that it fits."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ntm_tutorial.checks import check_kind, whole
from ntm_tutorial.tasks import Episode

Array = NDArray[np.float64]


def given(name: str, things: Any) -> Any:
    """Return the things to draw.

    Raises:
        ValueError: if there are none.
    """
    if not isinstance(things, Collection) or isinstance(things, str) or not things:
        raise ValueError(f"{name}: expected something to draw, got {things!r:.80}")
    return things


def as_array(name: str, values: Tensor, shape: str) -> Array:
    """Return the values as an array of that many dimensions; leading ones of size 1 go.

    ``shape`` names the dimensions, as in "T O" for (T, O).

    Raises:
        ValueError: if there are other dimensions, or no values.
    """
    if not isinstance(values, Tensor) or values.is_complex() or values.is_meta:
        shown = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"{name}: expected a tensor of real numbers ({shape}), got {shown}")
    dims, array = len(shape.split()), values.detach().cpu().double().numpy()
    while array.ndim > dims and array.shape[0] == 1:
        array = array[0]
    if array.ndim != dims or array.size == 0:
        raise ValueError(f"{name}: expected shape ({shape}), got {tuple(values.shape)}")
    return array


def same_steps(arrays: dict[str, Array], unit: str = "steps") -> int:
    """Return the number of steps that all arrays have.

    Raises:
        ValueError: if they differ.
    """
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"expected the same number of {unit} everywhere, got {counts}")
    return next(iter(counts.values()))


def check_probabilities(name: str, values: Tensor, targets: Tensor) -> None:
    """Refuse values that are not of the targets' shape, any shape, or lie outside [0, 1].

    Raises:
        ValueError: saying what was given, and that logits need a sigmoid.
    """
    if values.shape != targets.shape:
        raise ValueError(
            f"{name}: expected shape {tuple(targets.shape)}, got {tuple(values.shape)}"
        )
    as_array(name, values.flatten(), "any")
    if values.min() < 0 or values.max() > 1:
        raise ValueError(
            f"{name}: expected probabilities from 0 to 1, got {values.min():.3g} to "
            f"{values.max():.3g}; for logits give torch.sigmoid(logits)"
        )


def one_sequence(episode: Episode, index: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return one sequence's inputs (T, I), targets (T, O) and mask (T,), without its padding.

    Raises:
        ValueError: if there is no such sequence.
    """
    check_kind("episode", episode, Episode)
    whole("index", index, 0, episode.inputs.shape[1] - 1)
    mask = episode.mask if episode.mask.dim() == 1 else episode.mask[:, index]
    end = int(mask.nonzero().max()) + 1
    return episode.inputs[:end, index], episode.targets[:end, index], mask[:end]
