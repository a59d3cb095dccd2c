"""Memory: Equations 2 to 4 of the paper, as pure functions.

Shapes: ``B`` batch, ``H`` heads, ``N`` memory locations, ``M`` memory width. The batch index is
there because every sequence has a memory of its own: the memory is working state, like the hidden
state of an LSTM, not a parameter. Nothing is changed in place: each function returns a new memory.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ntm_tutorial.checks import check_shapes


def read(
    memory: Float[Tensor, "B N M"], weighting: Float[Tensor, "B H N"]
) -> Float[Tensor, "B H M"]:
    r"""Read one vector per head: the memory rows, averaged by the weighting, Eq. 2.

    .. math:: r = \sum_i w(i) \, M(i)

    Raises:
        ValueError: if the shapes do not fit together.
    """
    check_shapes("BNM BHN", memory=memory, weighting=weighting)
    return weighting @ memory


def erase(
    memory: Float[Tensor, "B N M"],
    weighting: Float[Tensor, "B H N"],
    erase_vector: Float[Tensor, "B H M"],
) -> Float[Tensor, "B N M"]:
    r"""Scale down what the heads attend to, Eq. 3.

    .. math:: \tilde M(i) = M(i) \prod_h \big(1 - w_h(i) \, e_h\big)

    The elements of ``erase_vector`` lie in [0, 1]. With several heads the factors multiply, so
    their order does not matter.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    check_shapes("BNM BHN BHM", memory=memory, weighting=weighting, erase_vector=erase_vector)
    if weighting.shape[1] == 1:  # the outer product as a matrix product, which is quicker
        return memory * (1 - weighting.transpose(1, 2) @ erase_vector)
    return memory * (1 - weighting.unsqueeze(-1) * erase_vector.unsqueeze(-2)).prod(dim=1)


def add(
    memory: Float[Tensor, "B N M"],
    weighting: Float[Tensor, "B H N"],
    add_vector: Float[Tensor, "B H M"],
) -> Float[Tensor, "B N M"]:
    r"""Add each head's vector where the head attends, Eq. 4.

    .. math:: M(i) = \tilde M(i) + \sum_h w_h(i) \, a_h

    All heads erase before any adds, as in the paper.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    check_shapes("BNM BHN BHM", memory=memory, weighting=weighting, add_vector=add_vector)
    return torch.baddbmm(memory, weighting.transpose(1, 2), add_vector)
