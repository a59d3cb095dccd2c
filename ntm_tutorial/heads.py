"""Heads: from the controller's output to the parameters of every head.

Section 3.3 of the paper: each head emits a key, a key strength, a gate, a shift weighting and a
sharpening; a write head also emits an erase vector and an add vector. Raw outputs of one linear
layer are squashed into the ranges that Equations 3 to 9 ask for.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from ntm_tutorial.checks import check_positive, whole


class HeadParameters(NamedTuple):
    """What the controller tells its heads at one step.

    The first five fields hold the ``R`` read heads, then the ``W`` write heads: ``H = R + W``.
    The last two belong to the write heads alone.
    """

    key: Float[Tensor, "B H M"]
    key_strength: Float[Tensor, "B H 1"]
    gate: Float[Tensor, "B H 1"]
    shift_weighting: Float[Tensor, "B H S"]
    sharpening: Float[Tensor, "B H 1"]
    erase_vector: Float[Tensor, "B W M"]
    add_vector: Float[Tensor, "B W M"]


class Heads(nn.Module):
    """One linear layer that emits the parameters of all heads.

    =================  ============  =========================
    parameter          range         squashed by
    =================  ============  =========================
    key, add vector    (-1, 1)       tanh
    erase vector       (0, 1)        sigmoid
    gate               (0, 1)        sigmoid
    key strength       > 0           softplus
    sharpening         > 1           1 + softplus
    shift weighting    distribution  softmax
    =================  ============  =========================

    The paper gives the ranges of Equations 3 to 9; the squashing functions are our choice.
    """

    def __init__(
        self,
        controller_size: int,
        memory_width: int,
        *,
        read_heads: int = 1,
        write_heads: int = 1,
        shift_range: int = 1,
    ) -> None:
        super().__init__()
        check_positive(
            controller_size=controller_size, memory_width=memory_width, write_heads=write_heads
        )
        whole("read_heads", read_heads, 0)
        whole("shift_range", shift_range, 0)
        self.heads, self.write_heads = read_heads + write_heads, write_heads
        # What every head emits (its address), and what a write head emits besides.
        self.address_sizes = [memory_width, 1, 1, 2 * shift_range + 1, 1]
        self.write_sizes = [memory_width, memory_width]
        self.outputs = [self.heads * sum(self.address_sizes), write_heads * sum(self.write_sizes)]
        self.linear = nn.Linear(controller_size, sum(self.outputs))

    def forward(self, hidden: Float[Tensor, "B C"]) -> HeadParameters:
        """Map the controller's output to every head's parameters."""
        key, key_strength, gate, shift_weighting, sharpening, erase_vector, add_vector = self.parts(
            self.linear(hidden)
        )
        return HeadParameters(
            key=torch.tanh(key),
            key_strength=softplus(key_strength),
            gate=torch.sigmoid(gate),
            shift_weighting=torch.softmax(shift_weighting, dim=-1),
            sharpening=1 + softplus(sharpening),
            erase_vector=torch.sigmoid(erase_vector),
            add_vector=torch.tanh(add_vector),
        )

    def parts(self, outputs: Float[Tensor, "*any X"]) -> tuple[Tensor, ...]:
        """Cut the layer's outputs into views ``(*any, heads, size)``, one a parameter, raw."""
        address, write = outputs.split(self.outputs, dim=-1)
        return (
            *address.unflatten(-1, (self.heads, -1)).split(self.address_sizes, dim=-1),
            *write.unflatten(-1, (self.write_heads, -1)).split(self.write_sizes, dim=-1),
        )

    def look_up(self) -> None:
        """Move the start: each head looks up by content, does not shift, and writes little.

        Among rows that differ, each state of the controller then has locations of its own. Sharper
        look-ups would find fewer of them, and what is read would tell less of the steps before.
        The numbers were found by trial on dynamic N-grams.
        """
        bias, weight = self.linear.bias.data, self.linear.weight.data
        _, key_strength, gate, shift_weighting, _, erase_vector, _ = self.parts(bias)
        key_strength += 4
        gate += 3
        shift_weighting[:, shift_weighting.shape[1] // 2] += 3
        erase_vector -= 4
        *_, add_weights = self.parts(weight.T)
        add_weights *= 0.2
