"""Equations 2 to 4: against loops, by hand, and in the paper's order."""

import pytest
import torch
from torch import Tensor

from ntm_tutorial import memory as memory_ops
from ntm_tutorial.memory import add, erase, read
from tests import loops
from tests.each import each

EXACT = {"rtol": 0.0, "atol": 1e-10}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def draw(B: int, H: int, N: int, M: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw a memory, weightings, and vectors in (0, 1), in double precision."""
    memory, weighting, vector = (
        torch.randn(*shape, dtype=torch.float64) for shape in ((B, N, M), (B, H, N), (B, H, M))
    )
    return memory, torch.softmax(2 * weighting, dim=-1), torch.sigmoid(vector)


@each("sizes", [(1, 1, 5, 3), (2, 3, 8, 4), (3, 2, 7, 20)])
@each("name", ["read", "erase", "add"])
def test_against_loops(name: str, sizes: tuple[int, int, int, int]) -> None:
    function, loop = getattr(memory_ops, name), getattr(loops, name)
    arguments = draw(*sizes)[: 2 if name == "read" else 3]
    expected = torch.from_numpy(loop(*(argument.numpy() for argument in arguments)))
    torch.testing.assert_close(function(*arguments), expected, **EXACT)


def test_by_hand() -> None:
    memory = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    weighting = torch.tensor([[[0.25, 0.75]]])
    torch.testing.assert_close(read(memory, weighting), torch.tensor([[[2.5, 3.5]]]))
    erased = erase(memory, weighting, torch.tensor([[[1.0, 0.0]]]))
    torch.testing.assert_close(erased, torch.tensor([[[0.75, 2.0], [0.75, 4.0]]]))
    added = add(erased, weighting, torch.tensor([[[0.0, 4.0]]]))
    torch.testing.assert_close(added, torch.tensor([[[0.75, 3.0], [0.75, 7.0]]]))


def test_a_focused_write_replaces_one_row() -> None:
    memory, _, vector = draw(1, 1, 4, 3)
    focus = torch.eye(4, dtype=torch.float64)[2].view(1, 1, 4)
    written = add(erase(memory, focus, torch.ones_like(vector)), focus, vector)
    expected = memory.clone()
    expected[:, 2] = vector[:, 0]
    torch.testing.assert_close(written, expected, **EXACT)
    torch.testing.assert_close(read(written, focus), vector, **EXACT)


def test_all_heads_erase_before_any_adds() -> None:
    """Two heads on one row: the sum of both adds stays, as what was added is not erased."""
    memory, both = torch.full((1, 2, 1), 5.0), torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    full, adds = torch.ones(1, 2, 1), torch.tensor([[[2.0], [3.0]]])
    written = add(erase(memory, both, full), both, adds)
    torch.testing.assert_close(written, torch.tensor([[[5.0], [5.0]]]))


def test_erasing_heads_multiply() -> None:
    memory, both = torch.full((1, 2, 1), 8.0), torch.tensor([[[1.0, 0.0], [0.5, 0.5]]])
    erased = erase(memory, both, torch.tensor([[[0.5], [0.5]]]))
    torch.testing.assert_close(erased, torch.tensor([[[3.0], [6.0]]]))


@each("heads", [1, 2, 4])
def test_the_order_of_the_heads_does_not_matter(heads: int) -> None:
    memory, weighting, vector = draw(2, heads, 6, 3)
    turned = weighting.flip(1), vector.flip(1)
    torch.testing.assert_close(erase(memory, weighting, vector), erase(memory, *turned), **EXACT)
    torch.testing.assert_close(add(memory, weighting, vector), add(memory, *turned), **EXACT)


@each("heads", [1, 3])
def test_nothing_is_changed_in_place(heads: int) -> None:
    arguments = draw(2, heads, 6, 3)
    before = [argument.clone() for argument in arguments]
    read(*arguments[:2]), erase(*arguments), add(*arguments)
    for now, then in zip(arguments, before, strict=True):
        assert now.equal(then)


@each("heads", [1, 3])
def test_gradients(heads: int) -> None:
    arguments = [argument.requires_grad_() for argument in draw(2, heads, 4, 3)]
    for function, inputs in ((read, arguments[:2]), (erase, arguments), (add, arguments)):
        assert torch.autograd.gradcheck(function, inputs)


@pytest.mark.bad_input
class TestBadInput:
    @each("shape", [(2, 1, 7), (3, 1, 8), (2, 8), (2, 1, 1, 8)])
    def test_weighting(self, shape: tuple[int, ...]) -> None:
        memory, vector, message = torch.zeros(2, 8, 4), torch.zeros(2, 1, 4), r"^weighting: .*\(2, "
        with pytest.raises(ValueError, match=message):
            read(memory, torch.zeros(shape))
        with pytest.raises(ValueError, match=message):
            erase(memory, torch.zeros(shape), vector)
        with pytest.raises(ValueError, match=message):
            add(memory, torch.zeros(shape), vector)

    @each("shape", [(2, 3, 5), (2, 1, 4), (1, 3, 4), (2, 4)])
    def test_vectors(self, shape: tuple[int, ...]) -> None:
        memory, weighting, vector = torch.zeros(2, 8, 4), torch.zeros(2, 3, 8), torch.zeros(shape)
        with pytest.raises(ValueError, match=r"^erase_vector: .*= \(2, 3, 4\), got \("):
            erase(memory, weighting, vector)
        with pytest.raises(ValueError, match=r"^add_vector: .*= \(2, 3, 4\), got \("):
            add(memory, weighting, vector)
