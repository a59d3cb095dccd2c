"""Equations 5 to 9: against loops, at their limits, and where they could divide by zero."""

import re
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ntm_tutorial.addressing import (
    content_weighting,
    cosine_similarity,
    interpolate,
    sharpen,
    shift,
)
from tests import loops
from tests.each import each

EXACT = {"rtol": 0.0, "atol": 1e-10}
SIZES = [(1, 1, 5, 3), (2, 3, 8, 4), (3, 2, 7, 20)]
"""Batch, heads, locations, width."""


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def distribution(*shape: int) -> Tensor:
    return torch.softmax(2 * normal(*shape), dim=-1)


def one_hot(index: int, size: int) -> Tensor:
    return torch.eye(size, dtype=torch.float64)[index].view(1, 1, size)


def scalar(value: float) -> Tensor:
    return torch.full((1, 1, 1), value, dtype=torch.float64)


def same(ours: Tensor, loop: Callable[..., loops.Array], *arguments: Tensor) -> None:
    expected = torch.from_numpy(loop(*(argument.numpy() for argument in arguments)))
    torch.testing.assert_close(ours, expected, **EXACT)


@pytest.mark.parametrize(("B", "H", "N", "M"), SIZES)
class TestAgainstLoops:
    def test_cosine_similarity(self, B: int, H: int, N: int, M: int) -> None:
        memory, key = normal(B, N, M), normal(B, H, M)
        same(cosine_similarity(memory, key), loops.cosine_similarity, memory, key)

    def test_content_weighting(self, B: int, H: int, N: int, M: int) -> None:
        arguments = normal(B, N, M), normal(B, H, M), 5 * torch.rand(B, H, 1).double()
        same(content_weighting(*arguments), loops.content_weighting, *arguments)

    def test_interpolate(self, B: int, H: int, N: int, M: int) -> None:
        arguments = distribution(B, H, N), distribution(B, H, N), torch.rand(B, H, 1).double()
        same(interpolate(*arguments), loops.interpolate, *arguments)

    @each("reach", [0, 1, 2])
    def test_shift(self, B: int, H: int, N: int, M: int, reach: int) -> None:
        arguments = distribution(B, H, N), distribution(B, H, 2 * reach + 1)
        same(shift(*arguments), loops.shift, *arguments)

    def test_sharpen(self, B: int, H: int, N: int, M: int) -> None:
        arguments = distribution(B, H, N), 1 + 4 * torch.rand(B, H, 1).double()
        same(sharpen(*arguments), loops.sharpen, *arguments)


class TestLimits:
    def test_cosine_similarity_heeds_direction_alone(self) -> None:
        memory = torch.tensor([[[3.0, 4.0], [-4.0, 3.0], [-6.0, -8.0], [1.0, 0.0]]])
        expected = torch.tensor([[[1.0, 0.0, -1.0, 0.6]]])
        for scale in (1e-6, 1.0, 1e6):
            key = scale * torch.tensor([[[0.3, 0.4]]])
            torch.testing.assert_close(cosine_similarity(memory, key), expected)

    def test_great_key_strength_gives_a_one_hot_weighting(self) -> None:
        memory = normal(1, 6, 4)
        weighting = content_weighting(memory, 0.5 * memory[:, 2:3], scalar(1e6))
        torch.testing.assert_close(weighting, one_hot(2, 6), **EXACT)

    def test_no_key_strength_gives_a_uniform_weighting(self) -> None:
        weighting = content_weighting(normal(1, 6, 4), normal(1, 1, 4), scalar(0.0))
        torch.testing.assert_close(weighting, torch.full_like(weighting, 1 / 6), **EXACT)

    def test_gate_0_keeps_and_gate_1_takes(self) -> None:
        content, previous = distribution(1, 1, 6), distribution(1, 1, 6)
        torch.testing.assert_close(interpolate(content, previous, scalar(0.0)), previous, **EXACT)
        torch.testing.assert_close(interpolate(content, previous, scalar(1.0)), content, **EXACT)

    @each("reach", [1, 2])
    def test_a_one_hot_shift_rolls_round_the_circle(self, reach: int) -> None:
        weighting = distribution(1, 1, 6)
        for step in range(-reach, reach + 1):
            shifted = shift(weighting, one_hot(step + reach, 2 * reach + 1))
            torch.testing.assert_close(shifted, weighting.roll(step, dims=-1), **EXACT)

    def test_a_shift_by_one_moves_the_focus_from_i_to_the_next(self) -> None:
        forwards = one_hot(2, 3)
        for i in range(5):
            shifted = shift(one_hot(i, 5), forwards)
            torch.testing.assert_close(shifted, one_hot((i + 1) % 5, 5), **EXACT)

    def test_as_many_shifts_as_locations(self) -> None:
        weighting, shifts = distribution(1, 1, 5), distribution(1, 1, 5)
        same(shift(weighting, shifts), loops.shift, weighting, shifts)

    def test_sharpening_1_is_the_identity(self) -> None:
        for weighting in (distribution(2, 3, 6), one_hot(0, 6)):
            ones = torch.ones(*weighting.shape[:2], 1, dtype=torch.float64)
            torch.testing.assert_close(sharpen(weighting, ones), weighting, **EXACT)

    def test_great_sharpening_gives_a_one_hot_weighting(self) -> None:
        weighting = torch.tensor([[[0.2, 0.3, 0.26, 0.24]]], dtype=torch.float64)
        torch.testing.assert_close(sharpen(weighting, scalar(1e4)), one_hot(1, 4), **EXACT)


def sharpen_sharply(weighting: Tensor) -> Tensor:
    """Sharpen so much that every power underflows."""
    return sharpen(weighting, torch.full_like(weighting[..., :1], 1e3))


class TestNothingIsNaN:
    """Neither values nor gradients, in the number format that the book uses."""

    @each("memory", [torch.zeros(1, 4, 3), torch.eye(4, 3).unsqueeze(0)])
    @each("key", [torch.zeros(1, 2, 3), torch.ones(1, 2, 3)])
    @each("strength", [0.0, 1.0, 1e4])
    def test_zero_keys_and_zero_rows(self, memory: Tensor, key: Tensor, strength: float) -> None:
        memory, key = memory.clone().requires_grad_(), key.clone().requires_grad_()
        strengths = torch.full((1, 2, 1), strength, requires_grad=True)
        weighting = content_weighting(memory, key, strengths)
        self.check(weighting, memory, key, strengths)

    def test_the_similarity_of_a_zero_vector_is_zero(self) -> None:
        nothing, something = torch.zeros(1, 1, 3), torch.ones(1, 1, 3)
        for memory, key in [(nothing, something), (something, nothing), (nothing, nothing)]:
            assert cosine_similarity(memory, key).item() == 0

    @each("gamma", [1.0, 1.5, 50.0, 1e4])
    @each("weighting", [torch.eye(4)[:1], torch.full((1, 4), 0.25)])
    def test_one_hot_and_uniform_weightings(self, gamma: float, weighting: Tensor) -> None:
        weighting = weighting.clone().view(1, 1, 4).requires_grad_()
        gammas = torch.full((1, 1, 1), gamma, requires_grad=True)
        self.check(sharpen(weighting, gammas), weighting, gammas)

    def test_powers_that_underflow(self) -> None:
        weighting = torch.full((1, 1, 128), 1 / 128, requires_grad=True)
        self.check(sharpen_sharply(weighting), weighting)
        torch.testing.assert_close(sharpen_sharply(weighting), weighting)

    def check(self, weighting: Tensor, *inputs: Tensor) -> None:
        slope = torch.arange(weighting.shape[-1]).float()
        gradients = torch.autograd.grad((weighting * slope).sum(), inputs)
        for tensor in (weighting, *gradients):
            assert tensor.isfinite().all()
        torch.testing.assert_close(weighting.sum(-1), torch.ones(weighting.shape[:2]))


@settings(deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    B=st.integers(1, 3),
    H=st.integers(1, 3),
    N=st.integers(5, 40),
    M=st.integers(1, 20),
    reach=st.integers(0, 2),
    scale=st.sampled_from([0.0, 1e-6, 1.0, 1e3]),
    strength=st.floats(0, 1e5, width=32),
    gate=st.floats(0, 1, width=32),
    gamma=st.floats(1, 1e4, width=32),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_every_stage_gives_a_weighting(
    seed: int, B: int, H: int, N: int, M: int, reach: int, scale: float, strength: float,
    gate: float, gamma: float, dtype: torch.dtype,
) -> None:  # fmt: skip
    torch.manual_seed(seed)
    memory = (scale * torch.randn(B, N, M)).to(dtype)
    key, previous = torch.randn(B, H, M, dtype=dtype), torch.randn(B, H, N, dtype=dtype)
    previous = torch.softmax(10 * previous, dim=-1)
    shifts = torch.softmax(10 * torch.randn(B, H, 2 * reach + 1, dtype=dtype), dim=-1)

    def number(value: float) -> Tensor:
        return torch.full((B, H, 1), value, dtype=dtype)

    content = content_weighting(memory, key, number(strength))
    gated = interpolate(content, previous, number(gate))
    shifted = shift(gated, shifts)
    for weighting in (content, gated, shifted, sharpen(shifted, number(gamma))):
        assert weighting.dtype == dtype
        assert (weighting >= 0).all()
        total = weighting.sum(-1)
        torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-5)


@pytest.mark.bad_input
class TestBadInput:
    @each(
        ("memory", "key"),
        [((2, 8, 4), (2, 1, 3)), ((2, 8, 4), (3, 1, 4)), ((2, 8, 4), (2, 4))],
    )
    def test_key(self, memory: tuple[int, ...], key: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"^key: expected shape \(B, H, M\).*got \(\d"):
            cosine_similarity(normal(*memory), normal(*key))

    @each("shape", [(2, 3), (2, 3, 2), (2, 1, 1), (1, 3, 1)])
    def test_one_number_per_head(self, shape: tuple[int, ...]) -> None:
        weighting, number = distribution(2, 3, 8), normal(*shape)
        expected = re.escape(f"expected shape (B, H, 1) = (2, 3, 1), got {shape}")
        with pytest.raises(ValueError, match=r"^key_strength: " + expected):
            content_weighting(normal(2, 8, 4), normal(2, 3, 4), number)
        with pytest.raises(ValueError, match=r"^gate: " + expected):
            interpolate(weighting, weighting, number)
        with pytest.raises(ValueError, match=r"^sharpening: " + expected):
            sharpen(weighting, number)

    def test_previous_weighting(self) -> None:
        with pytest.raises(ValueError, match=r"^previous: .*\(1, 1, 8\), got \(1, 1, 7\)"):
            interpolate(distribution(1, 1, 8), distribution(1, 1, 7), scalar(0.5))

    @each("shape", [(2, 3), (2, 1, 3), (1, 3, 3)])
    def test_shift_weighting_of_another_shape(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"^shift_weighting: .*\(B, H, S\) = \(2, 3, "):
            shift(distribution(2, 3, 8), distribution(*shape))

    @each("shifts", [2, 4, 9])
    def test_number_of_shifts(self, shifts: int) -> None:
        with pytest.raises(ValueError, match=f"^shift_weighting: .*odd .*at most the 8.*{shifts}$"):
            shift(distribution(1, 1, 8), distribution(1, 1, shifts))
