"""Clear words about bad input, said in one way."""

from torch import Tensor


def check_inputs(name: str, tensor: Tensor, shape: tuple[str | int, ...]) -> None:
    """Refuse a tensor of another shape; in (T, B, 9), a letter stands for any positive size.

    Raises:
        ValueError: naming the argument, what was given and what is allowed.
    """
    given = tuple(tensor.shape)
    fits = len(given) == len(shape) and all(
        size > 0 if isinstance(wanted, str) else size == wanted
        for size, wanted in zip(given, shape, strict=True)
    )
    if not fits:
        allowed = "(" + ", ".join(map(str, shape)) + ")"
        raise ValueError(f"{name}: expected shape {allowed}, got {given}")
    if not tensor.is_floating_point():
        raise ValueError(f"{name}: expected floating-point numbers, got {tensor.dtype}")


def check_logits(logits: Tensor, targets: Tensor) -> None:
    """Refuse logits that are not of the targets' shape, (T, B, O).

    Raises:
        ValueError: naming what was given and what is allowed.
    """
    if logits.shape != targets.shape:
        raise ValueError(
            f"logits: expected the targets' shape {tuple(targets.shape)}, got {tuple(logits.shape)}"
        )


def check_positive(**sizes: int) -> None:
    """Refuse sizes that are not whole numbers of at least 1.

    Raises:
        ValueError: naming the size and what was given.
    """
    for name, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{name}: expected a whole number of at least 1, got {size!r}")
