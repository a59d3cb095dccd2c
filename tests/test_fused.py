"""The fused memory step gives what the plain functions give, values and gradients."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from ntm_tutorial import ntm
from ntm_tutorial.heads import HeadParameters
from ntm_tutorial.speed.fused import memory_step
from tests.each import each

State = tuple[Tensor, Tensor, Tensor]


def draw(
    R: int, W: int, reach: int, dtype: torch.dtype, batch: int = 2, N: int = 7, M: int = 4
) -> list[Tensor]:
    """Draw a memory, weightings and all head parameters, in their ranges."""
    torch.manual_seed(R + 10 * W + 100 * reach)
    H = R + W

    def normal(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, dtype=dtype)

    inputs = [
        normal(N, M),
        torch.softmax(normal(H, N), -1),
        torch.tanh(normal(H, M)),
        normal(H, 1).exp(),
        torch.sigmoid(normal(H, 1)),
        torch.softmax(normal(H, 2 * reach + 1), -1),
        1 + normal(H, 1).exp(),
        torch.sigmoid(normal(W, M)),
        torch.tanh(normal(W, M)),
    ]
    return [tensor.requires_grad_() for tensor in inputs]


def outputs_and_gradients(step: object, inputs: list[Tensor]) -> list[Tensor]:
    assert callable(step)
    outputs = step(inputs[0], inputs[1], HeadParameters(*inputs[2:]))
    torch.manual_seed(1)
    slopes = [torch.randn(output.shape, dtype=output.dtype) for output in outputs]
    loss = sum((output * slope).sum() for output, slope in zip(outputs, slopes, strict=True))
    assert isinstance(loss, Tensor)
    return [*outputs, *torch.autograd.grad(loss, inputs)]


def compare(inputs: list[Tensor]) -> None:
    tight = inputs[0].dtype == torch.float64
    tolerance = {"rtol": 1e-10, "atol": 1e-10} if tight else {"rtol": 1e-4, "atol": 1e-5}
    fused, plain = (outputs_and_gradients(step, inputs) for step in (memory_step, ntm.memory_step))
    for one, other in zip(fused, plain, strict=True):
        assert one.dtype == other.dtype
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, **tolerance)


@each("dtype", [torch.float64, torch.float32])
@each("reach", [0, 1, 2, 3])
@each(("R", "W"), [(1, 1), (1, 3), (2, 1), (3, 2)])
def test_values_and_gradients(R: int, W: int, reach: int, dtype: torch.dtype) -> None:
    compare(draw(R, W, reach, dtype))


@each("dtype", [torch.float64, torch.float32])
def test_at_the_size_of_the_paper(dtype: torch.dtype) -> None:
    compare(draw(4, 4, 1, dtype, batch=3, N=128, M=20))


@each("layout", ["transposed", "strided", "expanded"])
def test_however_the_memory_is_laid_out(layout: str) -> None:
    inputs = draw(2, 2, 1, torch.float64)
    cells = inputs[0].detach()
    if layout == "transposed":
        cells = cells.transpose(1, 2).contiguous().transpose(1, 2)
    elif layout == "strided":
        cells = cells.repeat_interleave(2, dim=2)[..., ::2]
    else:
        cells = cells[:1].expand(2, -1, -1)
    before = cells.clone()
    compare([cells.requires_grad_(), *inputs[1:]])
    assert cells.equal(before), "the memory was changed in place"


def test_gradcheck() -> None:
    inputs = draw(2, 2, 1, torch.float64, N=5, M=3)

    def step(cells: Tensor, previous: Tensor, *head: Tensor) -> State:
        return memory_step(cells, previous, HeadParameters(*head))

    assert torch.autograd.gradcheck(step, inputs)
    assert torch.autograd.gradgradcheck(step, inputs), "a gradient has a gradient"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:There is a performance drop")
def test_transforms_of_torch_func_and_half_precision_take_the_plain_step() -> None:
    inputs = [tensor.detach() for tensor in draw(2, 1, 1, torch.float64, N=5, M=3)]

    def first(step: Callable[..., State], cells: Tensor) -> Tensor:
        return step(cells, inputs[1], HeadParameters(*inputs[2:]))[0].sum()

    steps = memory_step, ntm.memory_step
    fused, plain = (torch.func.hessian(partial(first, step))(inputs[0]) for step in steps)
    torch.testing.assert_close(fused, plain)
    half = [tensor.half() for tensor in inputs]
    half[0].zero_()
    for step in steps:
        assert all(part.isfinite().all() for part in step(*half[:2], HeadParameters(*half[2:])))


def test_some_inputs_without_a_gradient() -> None:
    inputs = draw(1, 1, 1, torch.float64)
    inputs[0].requires_grad_(False)
    inputs[1].requires_grad_(False)
    new_memory, _, _ = memory_step(inputs[0], inputs[1], HeadParameters(*inputs[2:]))
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(
        new_memory.sum(), inputs[2:]))  # fmt: skip


@each("dtype", [torch.float64, torch.float32])
@each("case", ["zero memory", "zero key", "one-hot", "identity", "hard", "all"])
def test_where_a_division_by_zero_lurks(case: str, dtype: torch.dtype) -> None:
    inputs = draw(2, 2, 1, dtype)
    cells, previous, key, strength, gate, shifts, sharpening = (
        tensor.data for tensor in inputs[:7]
    )
    if case in ("zero memory", "all"):
        cells.zero_()
    if case in ("zero key", "all"):
        key.zero_()
    if case in ("one-hot", "identity", "all"):  # and nothing to blur it
        previous.zero_()[..., 3] = 1
        gate.zero_()
        shifts.zero_()[..., 2] = 1
    if case == "identity":
        sharpening.fill_(1.0)
    if case in ("hard", "all"):
        strength.fill_(1e4)
        sharpening.fill_(1e3)
    compare(inputs)
