"""Heads emit parameters in the ranges of Equations 3 to 9, each from outputs of its own."""

import pytest
import torch
from torch import Tensor

from ntm_tutorial.heads import HeadParameters, Heads
from tests.each import each

R, W, M, REACH = 2, 1, 5, 2
H, S = R + W, 2 * REACH + 1
SHAPES = {
    "key": (H, M),
    "key_strength": (H, 1),
    "gate": (H, 1),
    "shift_weighting": (H, S),
    "sharpening": (H, 1),
    "erase_vector": (W, M),
    "add_vector": (W, M),
}


@pytest.fixture
def heads() -> Heads:
    torch.manual_seed(0)
    return Heads(7, M, read_heads=R, write_heads=W, shift_range=REACH)


def check_ranges(head: HeadParameters) -> None:
    for name, tensor in head._asdict().items():
        assert tensor.isfinite().all(), name
    assert (head.key.abs() <= 1).all()
    assert (head.add_vector.abs() <= 1).all()
    assert ((head.gate >= 0) & (head.gate <= 1)).all()
    assert ((head.erase_vector >= 0) & (head.erase_vector <= 1)).all()
    assert (head.key_strength >= 0).all()
    assert (head.sharpening >= 1).all()
    assert (head.shift_weighting >= 0).all()
    total = head.shift_weighting.sum(-1)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_shapes(heads: Heads) -> None:
    head = heads(torch.randn(3, 7))
    assert {name: (*tensor.shape[1:],) for name, tensor in head._asdict().items()} == SHAPES
    assert all(len(tensor) == 3 for tensor in head)


@each("scale", [0.0, 1.0, 1e3, 1e8])
def test_ranges_and_gradients_whatever_the_controller_says(heads: Heads, scale: float) -> None:
    hidden = (scale * torch.randn(50, 7)).requires_grad_()
    head = heads(hidden)
    check_ranges(head)
    torch.stack([tensor.sum() for tensor in head]).sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.isfinite().all()


@each("sign", [-1.0, 1.0])
def test_each_range_is_reached(heads: Heads, sign: float) -> None:
    """With all raw outputs large and of one sign, each parameter stands at an end of its range."""
    torch.nn.init.zeros_(heads.linear.weight)
    torch.nn.init.constant_(heads.linear.bias, 100 * sign)
    head, high = heads(torch.zeros(1, 7)), sign > 0
    ends = {"key": sign, "add_vector": sign, "gate": float(high), "erase_vector": float(high),
            "key_strength": 100.0 * high, "sharpening": 1 + 100.0 * high,
            "shift_weighting": 1 / S}  # fmt: skip
    for name, end in ends.items():
        tensor = getattr(head, name)
        torch.testing.assert_close(tensor, torch.full_like(tensor, end))


def test_each_output_of_the_layer_sets_one_parameter_of_one_head(heads: Heads) -> None:
    def emit(bias: Tensor) -> tuple[Tensor, ...]:
        state = {"linear.bias": bias}
        return tuple(torch.func.functional_call(heads, state, torch.zeros(1, 7)))

    jacobians = torch.autograd.functional.jacobian(emit, heads.linear.bias.detach())
    owners = torch.zeros(len(heads.linear.bias), dtype=torch.int64)
    for (name, (count, width)), jacobian in zip(SHAPES.items(), jacobians, strict=True):
        for h in range(count):
            touched = jacobian[0, h].ne(0)  # (width, outputs)
            used = touched.any(dim=0)
            assert used.sum() == width, name
            if name != "shift_weighting":  # a softmax, in which each shares the whole
                assert (touched.sum(dim=1) == 1).all(), name
            owners += used
    assert (owners == 1).all()


def test_a_start_with_look_ups_changes_what_it_says_and_nothing_else(heads: Heads) -> None:
    hidden = torch.randn(3, 7)
    before = heads(hidden)
    add_bias = heads.linear.bias[-M:].detach()
    heads.look_up()
    after = heads(hidden)
    for name in ("key", "sharpening"):
        assert getattr(after, name).equal(getattr(before, name)), name
    torch.testing.assert_close(
        after.key_strength.expm1().log(), before.key_strength.expm1().log() + 4
    )
    torch.testing.assert_close(after.gate.logit(), before.gate.logit() + 3)
    torch.testing.assert_close(after.erase_vector.logit(), before.erase_vector.logit() - 4)
    ratio = after.shift_weighting / before.shift_weighting
    torch.testing.assert_close(
        (ratio / ratio[..., :1]).log(),
        torch.tensor([0.0, 0, 3, 0, 0]).expand(3, H, S),
        rtol=0,
        atol=1e-5,
    )
    torch.testing.assert_close(
        after.add_vector.atanh() - add_bias, 0.2 * (before.add_vector.atanh() - add_bias)
    )
