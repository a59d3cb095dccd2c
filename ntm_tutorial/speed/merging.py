"""Fewer products of matrices, and larger ones: a pass over what ``torch.compile`` has traced.

The gradient of a weight matrix is a sum over the steps, A1 B1 + A2 B2 + ... As traced, each step
makes a product of the weight's size and adds it to the sum, which is fetched and stored once more.
The sum is also a single product, of longer matrices: [A1 A2 ...] times B1, B2, ... on top of each
other. PyTorch's compiler leaves products alone, and so does not find that by itself.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph, Node

FEWEST = 3
"""Merge so many products or more. Sums of two are gradients of activations: what would have to be
joined there are the weights."""

aten = torch.ops.aten


class MergeProducts(CustomGraphPass):
    """Take sums out of products, where the neighbours' loops can do them, and merge products."""

    def __call__(self, graph: Graph) -> None:
        """Change a traced graph in place; it computes the same as before."""
        for node in graph.find_nodes(op="call_function", target=aten.addmm.default):
            if not node.kwargs:
                _split(graph, node)
        for node in graph.find_nodes(op="call_function", target=aten.add.Tensor):
            _merge(graph, node)
        graph.eliminate_dead_code()

    def uuid(self) -> object:
        """Name this pass, so that the compiler can keep what it compiled with it."""
        return get_hash_for_files((__file__,))


def _split(graph: Graph, node: Node) -> None:
    """Write an addition with a product, which would copy what it adds to, as two operations."""
    total, left, right = node.args
    with graph.inserting_before(node):
        product = graph.call_function(aten.mm.default, (left, right))
        node.replace_all_uses_with(graph.call_function(aten.add.Tensor, (product, total)))
    graph.erase_node(node)  # else it would still count as a user of the sum that it adds to


def _merge(graph: Graph, node: Node) -> None:
    """Write a sum of products as one product, unless there is more to the sum."""
    terms = list(_terms(node))
    part = any(user.target is aten.add.Tensor for user in node.users)
    if part or len(terms) < FEWEST or not all(_is(term, aten.mm.default) for term in terms):
        return
    with graph.inserting_before(node):
        # Joined along their first dimension, as they are written one after the other anyway.
        lefts, rights = zip(*(term.args for term in terms), strict=True)
        left = graph.call_function(aten.cat.default, ([_turn(graph, one) for one in lefts],))
        right = graph.call_function(aten.cat.default, (list(rights),))
        product = graph.call_function(aten.mm.default, (_turn(graph, left), right))
    node.replace_all_uses_with(product)


def _terms(node: Node) -> Iterator[Any]:
    """List what a sum adds up."""
    term: Any
    for term in node.args:
        if _is(term, aten.add.Tensor) and len(term.users) == 1:
            yield from _terms(term)
        else:
            yield term


def _turn(graph: Graph, matrix: Any) -> Any:
    """Transpose a matrix, or undo its transposition."""
    if _is(matrix, aten.permute.default):
        return matrix.args[0]
    return graph.call_function(aten.permute.default, (matrix, [1, 0]))


def _is(term: object, operation: object) -> bool:
    return isinstance(term, Node) and term.target is operation
