"""What every picture checks before it draws: that there is something, and that it fits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ntm_tutorial.tasks import Episode

Array = NDArray[np.float64]


def given(things: Any) -> Any:
    """Return the things to draw; there must be some."""
    if not things:
        raise ValueError("expected something to draw, got nothing")
    return things


def as_array(name: str, values: Tensor, shape: str) -> Array:
    """Return the values as an array of that many dimensions; leading ones of size 1 go."""
    dims, array = len(shape.split()), values.detach().cpu().double().numpy()
    while array.ndim > dims and array.shape[0] == 1:
        array = array[0]
    if array.ndim != dims or array.size == 0:
        raise ValueError(f"{name}: expected shape ({shape}), got {tuple(values.shape)}")
    return array


def same_steps(arrays: dict[str, Array], unit: str = "steps") -> int:
    """Return the number of steps that all arrays have."""
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"expected the same number of {unit} everywhere, got {counts}")
    return next(iter(counts.values()))


def check_index(name: str, value: int, count: int) -> None:
    """Refuse what is no index of ``count`` things."""
    if not 0 <= value < count:
        raise ValueError(f"{name}: expected 0 to {count - 1}, got {value}")


def check_probabilities(name: str, values: Tensor) -> None:
    """Refuse values outside [0, 1]."""
    if values.min() < 0 or values.max() > 1:
        raise ValueError(
            f"{name}: expected probabilities from 0 to 1, got {values.min():.3g} to "
            f"{values.max():.3g}; for logits give torch.sigmoid(logits)"
        )


def one_sequence(episode: Episode, index: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return one sequence's inputs, targets and mask, without the padding after its end."""
    check_index("index", index, episode.inputs.shape[1])
    mask = episode.mask if episode.mask.dim() == 1 else episode.mask[:, index]
    end = int(mask.nonzero().max()) + 1
    return episode.inputs[:end, index], episode.targets[:end, index], mask[:end]
