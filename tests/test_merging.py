"""Merged products: the same numbers from fewer operations."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from ntm_tutorial.speed.merging import FEWEST, MergeProducts

SIZE, BATCH = 5, 2
Function = Callable[[Tensor, Tensor, Tensor], Tensor]


def weight_gradient(weight: Tensor, bias: Tensor, inputs: Tensor) -> Tensor:
    """A layer's, over as many steps as there are inputs, if its output were its gradient."""
    total = None
    for x in inputs:
        gradient = torch.tanh(torch.addmm(bias, x, weight)).t()
        total = gradient @ x if total is None else torch.addmm(total, gradient, x)
    assert total is not None
    return total


def sum_with_another_term(weight: Tensor, bias: Tensor, inputs: Tensor) -> Tensor:
    return weight_gradient(weight, bias, inputs) + bias


def scaled_sum(weight: Tensor, bias: Tensor, inputs: Tensor) -> Tensor:
    return torch.addmm(bias, inputs[0], weight, beta=2, alpha=3)


def given(steps: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    weight = torch.randn(SIZE, SIZE, requires_grad=True)
    return weight, torch.randn(SIZE), torch.randn(steps, BATCH, SIZE)


def traced(function: Function, steps: int) -> GraphModule:
    return make_fx(function, decomposition_table={torch.ops.aten.t.default: _t})(*given(steps))


def _t(matrix: Tensor) -> Tensor:
    """A compiler sees each transposition as a permutation."""
    return matrix.permute(1, 0)


def count(graph: GraphModule) -> Counter[str]:
    return Counter(str(node.target) for node in graph.graph.nodes if node.op == "call_function")


def merged(graph: GraphModule) -> Counter[str]:
    MergeProducts()(graph.graph)
    graph.graph.lint()
    graph.recompile()
    return count(graph)


@pytest.mark.parametrize(("steps", "products"), [(FEWEST - 1, FEWEST - 1), (FEWEST, 1), (9, 1)])
def test_a_long_sum_of_products_becomes_one_product(steps: int, products: int) -> None:
    graph = traced(weight_gradient, steps)
    found = merged(graph)
    assert found["aten.mm.default"] == steps + products  # each step has one of its own
    assert found["aten.addmm.default"] == 0, "a bias is added by the neighbours' loop"
    assert found["aten.permute.default"] == products, "turned once, as a whole"
    torch.testing.assert_close(graph(*given(steps)), weight_gradient(*given(steps)))


def test_a_sum_with_another_term_is_not_merged() -> None:
    graph = traced(sum_with_another_term, steps=4)
    assert merged(graph)["aten.mm.default"] == 4 + 4
    torch.testing.assert_close(graph(*given(4)), sum_with_another_term(*given(4)))


def test_a_scaled_sum_stays() -> None:
    graph = traced(scaled_sum, steps=1)
    before = count(graph)
    assert merged(graph) == before


def test_what_was_compiled_with_the_same_pass_is_found_again() -> None:
    assert MergeProducts().uuid() == MergeProducts().uuid() is not None
