"""Where a machine with a learned memory starts: as a table, before any training.

A tape starts blank. Tasks that need a table more than a tape, dynamic N-grams and priority sort,
start with rows that differ, and with heads that look up by content.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ntm_tutorial.checks import check_number, check_positive, telling
from ntm_tutorial.heads import Heads


@telling
def first_rows(locations: int, width: int, periods: float = 0.0) -> Float[Tensor, "N M"]:
    """Draw independent rows or, with ``periods``, rows that change little by little.

    Each column is then a wave with at most so many periods. Either way a cell's mean is 0 and its
    standard deviation 1.

    Raises:
        ValueError: if a size is not positive, or ``periods`` is not from 0 to a million.
    """
    sizes = check_positive(locations=locations, width=width)
    locations, width = sizes["locations"], sizes["width"]
    periods = check_number("periods", periods, 0, 1e6)
    if not periods:
        return torch.randn(width, locations).T.contiguous()
    frequency, phase = periods * torch.rand(width, 1), torch.rand(width, 1)
    turns = frequency * torch.linspace(0, 1, locations) + phase
    return math.sqrt(2) * torch.cos(2 * math.pi * turns).T.contiguous()


def look_up(heads: Heads) -> None:
    """Move the heads' start: each looks up by content, does not shift, and writes little.

    Among rows that differ, each state of the controller then has locations of its own. Sharper
    look-ups would find fewer of them, and what is read would tell less of the steps before.
    The numbers were found by trial on dynamic N-grams.
    """
    _, key_strength, gate, shift_weighting, _, erase_vector, _ = heads.parts(heads.linear.bias.data)
    key_strength += 4
    gate += 3
    shift_weighting[:, shift_weighting.shape[1] // 2] += 3
    erase_vector -= 4
    *_, add_weights = heads.parts(heads.linear.weight.data.T)
    add_weights *= 0.2
