"""Clear words about bad input, said in one way."""

import math
import operator
import sys
from numbers import Real
from typing import Any, cast

import torch
from torch import Tensor

LARGEST = 2**62
"""No size, count or seed is larger: PyTorch could not hold it."""


def whole(name: str, value: Any, least: int | None = 1, most: int | None = None) -> int:
    """Return a whole number as Python's own; refuse any other, and one that is out of range.

    NumPy's integers, and tensors that hold one, are whole numbers too; True and False are not.

    Raises:
        ValueError: naming the argument, what was given and what is allowed.
    """
    if isinstance(value, torch.SymInt):
        return cast(int, value)  # a size that torch.export leaves open
    try:
        truth = isinstance(value, bool) or getattr(value, "dtype", None) == torch.bool
        number = None if truth or getattr(value, "ndim", 0) else operator.index(value)
    except (TypeError, RuntimeError):
        number = None
    low, high = -math.inf if least is None else least, math.inf if most is None else most
    if number is None or not low <= number <= min(high, LARGEST):
        raise ValueError(f"{name}: expected a whole number{_range(low, high)}, got {value!r:.80}")
    return number


def check_positive(**sizes: Any) -> dict[str, int]:
    """Return sizes as Python's own whole numbers; refuse what is none of at least 1."""
    return {name: whole(name, size) for name, size in sizes.items()}


def check_number(
    name: str, value: Any, least: float | int = -math.inf, most: float | int = math.inf
) -> None:
    """Refuse what is not a finite number from ``least`` to ``most``.

    Raises:
        ValueError: naming the argument, what was given and what is allowed.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and least <= value <= most and abs(value) <= sys.float_info.max):
        raise ValueError(f"{name}: expected a number{_range(least, most)}, got {value!r}")


def _range(least: float, most: float) -> str:
    if least > -math.inf and most < math.inf:
        return f" from {least} to {most}"
    return f" of at least {least}" if least > -math.inf else ""


def check_inputs(
    name: str, tensor: Tensor, shape: tuple[str | int, ...], like: Tensor | None = None
) -> None:
    """Refuse a tensor of another shape; in (T, B, 9), a letter stands for any positive size.

    Its numbers must be of the type that ``like`` has, unless autocast brings them together.

    Raises:
        ValueError: naming the argument, what was given and what is allowed.
    """
    given = tuple(tensor.shape) if isinstance(tensor, Tensor) else None
    fits = (
        given is not None
        and len(given) == len(shape)
        and all(
            size > 0 if isinstance(wanted, str) else size == wanted
            for size, wanted in zip(given, shape, strict=True)
        )
    )
    if not fits:
        allowed = "(" + ", ".join(map(str, shape)) + ")"
        found = type(tensor).__name__ if given is None else given
        raise ValueError(f"{name}: expected shape {allowed}, got {found}")
    if not tensor.is_floating_point():
        raise ValueError(f"{name}: expected floating-point numbers, got {tensor.dtype}")
    if like is not None and not _same_type(tensor, like):
        raise ValueError(f"{name}: expected {like.dtype}, as the model has, got {tensor.dtype}")
    if like is not None and tensor.device != like.device:
        raise ValueError(f"{name}: expected {like.device}, as the model has, got {tensor.device}")


def check_together(**tensors: Any) -> None:
    """Refuse what cannot stand in one equation: no tensor, or numbers of another type or place.

    Raises:
        ValueError: naming the argument, what was given and what is allowed.
    """
    first, like = next(iter(tensors.items()))
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            raise ValueError(f"{name}: expected floating-point numbers, got {_told(tensor)}")
        if not _same_type(tensor, like) or tensor.device != like.device:
            raise ValueError(
                f"{name}: expected {like.dtype} on {like.device}, as {first} has, "
                f"got {tensor.dtype} on {tensor.device}"
            )


def check_kind(name: str, value: Any, kind: type | tuple[type, ...]) -> None:
    """Refuse what is not of a kind, such as a task.

    Raises:
        ValueError: naming the argument, what was given and what is allowed.
    """
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(one.__name__ for one in kinds)
        raise ValueError(f"{name}: expected {wanted}, got {_told(value)}")


def check_state(state: Any, shapes: Any, like: Tensor, part: str = "") -> None:
    """Refuse a state, or ``part`` of one, that is not built as ``shapes`` says.

    ``shapes`` has a ``torch.Size`` for each tensor; ``like`` is a weight of any shape, with the
    type of numbers that a state has too.

    Raises:
        ValueError: naming the part, what was given and what is allowed.
    """
    its = f"as its {part} " * bool(part)
    if isinstance(shapes, torch.Size):
        if not isinstance(state, Tensor) or state.shape != shapes or not _same_type(state, like):
            raise ValueError(
                f"state: expected {its}a tensor of shape {tuple(shapes)}, {like.dtype}, for this "
                f"model and batch, got {_told(state)}"
            )
    elif type(state) is not type(shapes) or len(state) != len(shapes):
        raise ValueError(
            f"state: expected {its}a {type(shapes).__name__} of {len(shapes)} for this model, "
            f"got {_told(state)}"
        )
    else:
        names = getattr(shapes, "_fields", [f"[{i}]" for i in range(len(shapes))])
        for name, one, shape in zip(names, state, shapes, strict=True):
            check_state(one, shape, like, part + name)


def _told(value: Any) -> str:
    """Name a value in a few words."""
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)}, {value.dtype}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return repr(value)[:80]


def _same_type(tensor: Tensor, like: Tensor) -> bool:
    kind = like.device.type
    return tensor.dtype == like.dtype or (
        tensor.is_floating_point() and torch.is_autocast_enabled(kind)
    )


def check_logits(logits: Tensor, targets: Tensor) -> None:
    """Refuse logits that are not of the targets' shape, (T, B, O).

    Raises:
        ValueError: naming what was given and what is allowed.
    """
    check_together(targets=targets, logits=logits)
    if logits.shape != targets.shape:
        raise ValueError(
            f"logits: expected the targets' shape {tuple(targets.shape)}, got {tuple(logits.shape)}"
        )
