"""Clear words about bad input, said in one way.

Each check raises a ``ValueError`` that names the argument, what was given and what is allowed.
"""

import functools
import inspect
import math
import operator
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from numbers import Real
from types import UnionType
from typing import (
    Any,
    ParamSpec,
    SupportsIndex,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import torch
from torch import Tensor

_P = ParamSpec("_P")
_R = TypeVar("_R")

LARGEST = 2**62
"""No size, count or seed is larger: PyTorch could not hold it."""
UNTOLD = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a wrong argument may end in."""
DEEPEST = 1_000
"""No more layers: each is built by itself, so that a slip of a few zeros would seem to hang."""


def whole(name: str, value: Any, least: int | None = 1, most: int | None = None) -> int:
    """Return a whole number as Python's own; refuse any other, and one that is out of range.

    NumPy's integers, and tensors that hold one, are whole numbers too; True and False are not.
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


def plain(value: Any) -> Any:
    """Return a number of NumPy's, or of a tensor, as Python's own, which JSON can hold."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def as_numbers(name: str, values: Any) -> Tensor:
    """Return a reader's numbers as a tensor of any shape.

    Raises:
        ValueError: if they are none.
    """
    try:
        return torch.as_tensor(values).detach().cpu().float()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{name}: expected numbers, as many in each row, got {values!r:.80}"
        ) from error


def check_positive(**sizes: Any) -> dict[str, int]:
    """Return sizes as Python's own whole numbers; refuse what is none of at least 1.

    Of what is called ``...layers`` there are at most ``DEEPEST``.
    """
    return {
        name: whole(name, size, most=DEEPEST if name.endswith("layers") else None)
        for name, size in sizes.items()
    }


def check_number(
    name: str, value: Any, least: float | int = -math.inf, most: float | int = math.inf
) -> float:
    """Return a finite number from ``least`` to ``most``; refuse what is none."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and least <= value <= most and abs(value) <= sys.float_info.max):
        raise ValueError(f"{name}: expected a number{_range(least, most)}, got {value!r}")
    return float(value)


def _range(least: float, most: float) -> str:
    if least > -math.inf and most < math.inf:
        return f" from {least} to {most}"
    return f" of at least {least}" if least > -math.inf else ""


def check_inputs(
    name: str, tensor: Tensor, shape: tuple[str | int, ...], like: Tensor | None = None
) -> None:
    """Refuse a tensor of another shape; in (T, B, 9), a letter stands for any positive size.

    Its numbers must be of the type that ``like`` has, unless autocast brings them together.
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
    check_together(**({} if like is None else {"model": like}), **{name: tensor})


def check_together(**tensors: Any) -> None:
    """Refuse what cannot stand in one equation: no tensor, or numbers of another type or place."""
    first, like = next(iter(tensors.items()))
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            raise ValueError(f"{name}: expected floating-point numbers, got {_told(tensor)}")
        if not _same_type(tensor, like) or tensor.device != like.device:
            raise ValueError(
                f"{name}: expected {like.dtype} on {like.device}, as {first} has, "
                f"got {tensor.dtype} on {tensor.device}"
            )


def check_shapes(shapes: str, **tensors: Any) -> None:
    """Refuse tensors that do not fit together: a letter of "BNM BH1" is one size throughout."""
    check_together(**tensors)
    sizes = {"1": 1}
    for dims, (name, tensor) in zip(shapes.split(), tensors.items(), strict=True):
        _check_shape(name, tensor.shape, dims, sizes)


def _check_shape(
    name: str, shape: Sequence[int], dims: Sequence[str], sizes: dict[str, int]
) -> None:
    """Refuse other dimensions, or other sizes, than those known; take down new ones."""
    pairs = zip(dims, shape, strict=False)
    if len(shape) != len(dims) or any(sizes.setdefault(one, size) != size for one, size in pairs):
        allowed, known = ", ".join(dims), ", ".join(str(sizes.get(one, one)) for one in dims)
        known = f" = ({known})" if known != allowed else ""
        raise ValueError(f"{name}: expected shape ({allowed}){known}, got {tuple(shape)}")


def check_kind(name: str, value: Any, kind: type) -> None:
    """Refuse what is not of a kind, such as an episode."""
    if not isinstance(value, kind):
        wanted = "True or False" if kind is bool else kind.__name__
        raise ValueError(f"{name}: expected {wanted}, got {_told(value)}")


def telling(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let a function that fails name the argument that is not of its annotated kind.

    Kinds are looked at only once it has failed in words that name none, so that a call that goes
    well costs nothing.
    """

    @functools.wraps(function)
    def told(*args: _P.args, **settings: _P.kwargs) -> _R:
        try:
            return function(*args, **settings)
        except UNTOLD as error:
            signature = inspect.signature(function)
            if str(error).partition(":")[0] in signature.parameters:
                raise
            try:
                given = signature.bind(*args, **settings).arguments
            except TypeError:  # too many arguments or too few, which Python tells by name
                raise error from None
            hints = get_type_hints(function)
            for name, value in given.items():
                kind, how = hints.get(name, Any), signature.parameters[name].kind
                several = {name: value}
                if how is inspect.Parameter.VAR_KEYWORD:
                    several = value
                elif how is inspect.Parameter.VAR_POSITIONAL:
                    several = {f"{name}[{place}]": one for place, one in enumerate(value)}
                for one, part in several.items():
                    if not _is(part, kind):
                        raise ValueError(
                            f"{one}: expected {_worded(kind)}, got {_told(part)}"
                        ) from error
            _check_annotated(given, hints, error)
            raise

    return told


def _check_annotated(given: Mapping[str, Any], hints: Mapping[str, Any], error: Exception) -> None:
    """Refuse the first tensor that does not go with its annotation and the tensors before it."""
    sizes: dict[str, int] = {}
    tensors: dict[str, Tensor] = {}
    for name, value in given.items():
        hint = hints.get(name)
        kinds = [kind for kind in (hint, *get_args(hint)) if hasattr(kind, "array_type")]
        if not kinds or not isinstance(value, Tensor):
            continue
        tensors[name], dims = value, kinds[0].dim_str.split()
        if kinds[0].dim_str.startswith("*"):
            dims[:1] = [f"{dims[0]}{n}" for n in range(max(1, value.dim() - len(dims) + 1))]
        sizes |= {one: int(one) for one in dims if one.isdigit()}
        try:
            _check_shape(name, value.shape, dims, sizes)
            check_together(**tensors)
        except ValueError as told:
            words = re.sub(r"\*\w+\d(, \*\w+\d)*", "...", str(told))
            raise ValueError(words) from error


def _is(value: Any, kind: Any) -> bool:
    """Tell whether a value is of an annotated kind, and what it holds too."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any or isinstance(kind, TypeVar):
        return True
    if origin in (Union, UnionType):
        return any(_is(value, part) for part in parts)
    if hasattr(kind, "array_type"):  # jaxtyping's Float[Tensor, "T B"]
        return isinstance(value, kind.array_type) and not value.is_meta
    if kind is float:
        return isinstance(value, Real) and not isinstance(value, bool)
    if kind is int or kind is SupportsIndex:
        counts = isinstance(value, SupportsIndex) and not getattr(value, "ndim", 0)
        return counts and not isinstance(value, bool | type)
    try:
        fits = isinstance(value, origin or kind)
    except TypeError:  # no kind that can be looked at
        return True
    if not fits or not parts or origin is type or not isinstance(value, Iterable):
        return fits
    if isinstance(value, str):
        return kind is str
    if isinstance(value, Mapping):
        return all(_is(one, parts[0]) and _is(other, parts[1]) for one, other in value.items())
    if isinstance(value, tuple) and Ellipsis not in parts and origin is tuple:
        return len(value) == len(parts) and all(map(_is, value, parts))
    return not isinstance(value, Collection) or all(_is(one, parts[0]) for one in value)


def _worded(kind: Any) -> str:
    """Write an annotated kind as its reader would."""
    if hasattr(kind, "array_type"):
        return f"a tensor ({kind.dim_str})"
    parts = [_worded(part) for part in get_args(kind)]
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(parts)
    name = getattr(kind, "__name__", str(kind))
    return f"{name}[{', '.join(parts)}]" if parts else name


def check_state(state: Any, shapes: Any, like: Tensor, part: str = "") -> None:
    """Refuse a state, or ``part`` of one, that is not built as ``shapes`` says.

    ``shapes`` has a ``torch.Size`` for each tensor; ``like`` is a weight of any shape, with the
    type of numbers that a state has too.
    """
    its = f"as its {part} " * bool(part)
    if isinstance(shapes, torch.Size):
        fits = isinstance(state, Tensor) and (state.shape, state.device) == (shapes, like.device)
        if not (fits and _same_type(state, like)):
            raise ValueError(
                f"state: expected {its}a tensor of shape {tuple(shapes)}, {like.dtype}, for this "
                f"model and batch, on its device, got {_told(state)}"
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
        return f"{tuple(value.shape)}, {value.dtype}" + ", without values" * value.is_meta
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return repr(value)[:80]


def _same_type(tensor: Tensor, like: Tensor) -> bool:
    return tensor.dtype == like.dtype or (
        tensor.is_floating_point() and torch.is_autocast_enabled(like.device.type)
    )
