"""Dynamic N-grams: counts beside counting by hand, trained models beside the optimum."""

import itertools
import math
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from ntm_tutorial import evaluation
from ntm_tutorial.pretrained import load
from ntm_tutorial.recipes import MODELS
from ntm_tutorial.tasks import TASKS
from ntm_tutorial.tasks.dynamic_ngrams import contexts, counts, optimal_predictions
from tests.each import each

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

    @each("steps", [0, 1, 4])
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

    @each("dtype", [torch.float32, torch.float64, torch.int64, torch.int32])
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
@each("function", [contexts, counts, optimal_predictions])
@each("bits", [torch.full((9, 1), 0.5), torch.ones(9), -torch.ones(9, 1)])
def test_refused(function: Any, bits: Tensor) -> None:
    with pytest.raises(ValueError, match=r"^bits: expected zeros and ones, shape \(T, B\)"):
        function(bits)


@cache
def above_optimum() -> dict[str, Tensor]:
    """Return each model's cost above the optimum's on 1,000 sequences that no chapter shows."""
    generator = torch.Generator().manual_seed(evaluation.testing_seed(2014))
    episode = TASK.sample(1000, generator=generator)
    best = optimal_predictions(episode.inputs[..., 0]).logit().unsqueeze(-1)
    found = {}
    for name in MODELS:
        model = load("dynamic-ngrams", name).model
        with torch.no_grad():
            parts = [model(part)[0] for part in episode.inputs.split(250, dim=1)]
        cost = evaluation.bits_per_sequence(torch.cat(parts, dim=1), episode)
        found[name] = (cost - evaluation.bits_per_sequence(best, episode)).double()
    return found


@each("name", MODELS[:2])
@pytest.mark.usefixtures("no_shape_checks")
def test_both_ntms_are_better_than_the_lstm(name: str) -> None:
    """On the same sequences, by more than three standard errors of the difference."""
    better_by = above_optimum()["lstm"] - above_optimum()[name]
    error = better_by.std().item() / math.sqrt(len(better_by))
    assert better_by.mean().item() > 3 * error


def test_the_better_ntm_is_within_half_a_bit_of_the_optimum() -> None:
    """The paper's is half a bit to one bit above it; the best public weights were 7.85."""
    assert min(above_optimum()[name].mean().item() for name in MODELS[:2]) <= 0.5


@each("name", MODELS)
def test_no_model_beats_the_optimum(name: str) -> None:
    excess = above_optimum()[name]
    assert excess.mean().item() > -3 * excess.std().item() / math.sqrt(len(excess))
