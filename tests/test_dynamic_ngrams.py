"""Dynamic N-grams: contexts and counts, held against counting by hand."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from ntm_tutorial.tasks import TASKS
from ntm_tutorial.tasks.dynamic_ngrams import contexts, counts, optimal_predictions

TASK = TASKS["dynamic-ngrams"]


def column(*bits: int) -> Tensor:
    return torch.tensor(bits).unsqueeze(1)


class TestContexts:
    def test_by_hand(self) -> None:
        found = contexts(column(1, 0, 0, 1, 1, 0, 1))
        assert found[:, 0].tolist() == [-1] * 4 + [0b10011, 0b00110, 0b01101]

    def test_every_context_has_its_number(self) -> None:
        all_of_them = torch.tensor(list(itertools.product((0, 1), repeat=5))).T
        assert contexts(all_of_them)[4].tolist() == list(range(32))

    @pytest.mark.parametrize("steps", [0, 1, 4])
    def test_too_short_for_a_context(self, steps: int) -> None:
        assert contexts(torch.ones(steps, 2)).tolist() == [[-1, -1]] * steps


class TestCounts:
    def test_by_hand(self) -> None:
        """After 00000 come a 0, a 0, a 1; the context 00001 is new."""
        found = counts(column(0, 0, 0, 0, 0, 0, 0, 1))
        assert found[:, 0].tolist() == [[0, 0]] * 5 + [[1, 0], [2, 0], [0, 0]]

    def test_both_counts(self) -> None:
        bits = column(*[1, 0, 1, 0, 1], 1, *[1, 0, 1, 0, 1], 0, 1, 0, 1)
        assert counts(bits)[[4, 10, 12, 14], 0].tolist() == [[0, 0], [0, 1], [1, 1], [2, 1]]

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.int32])
    def test_against_a_loop(self, dtype: torch.dtype) -> None:
        bits = torch.randint(2, (60, 3), generator=torch.Generator().manual_seed(0))
        found = counts(bits.to(dtype))
        assert found.dtype == torch.int64
        for b, sequence in enumerate(bits.T.tolist()):
            for t in range(4, 60):
                followers = [
                    sequence[k]
                    for k in range(5, t + 1)
                    if sequence[k - 5 : k] == sequence[t - 4 : t + 1]
                ]
                assert found[t, b].tolist() == [followers.count(0), followers.count(1)]


@pytest.mark.bad_input
@pytest.mark.parametrize("function", [contexts, counts, optimal_predictions])
@pytest.mark.parametrize("bits", [torch.full((9, 1), 0.5), torch.ones(9), -torch.ones(9, 1)])
def test_refused(function: Any, bits: Tensor) -> None:
    with pytest.raises(ValueError, match=r"^bits: expected zeros and ones, shape \(T, B\)"):
        function(bits)
