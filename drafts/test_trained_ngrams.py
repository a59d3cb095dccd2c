"""How close the trained models come to the optimum. Belongs into tests/test_dynamic_ngrams.py."""

import math
from functools import cache

import pytest
import torch
from torch import Tensor

from ntm_tutorial import evaluation
from ntm_tutorial.pretrained import load
from ntm_tutorial.recipes import MODELS
from ntm_tutorial.tasks import TASKS
from ntm_tutorial.tasks.dynamic_ngrams import optimal_predictions

TASK = TASKS["dynamic-ngrams"]


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


@pytest.mark.parametrize("name", MODELS[:2])
def test_both_ntms_are_better_than_the_lstm(name: str) -> None:
    """On the same sequences, by more than three standard errors of the difference."""
    better_by = above_optimum()["lstm"] - above_optimum()[name]
    error = better_by.std().item() / math.sqrt(len(better_by))
    assert better_by.mean().item() > 3 * error


def test_the_better_ntm_is_within_a_bit_of_the_optimum() -> None:
    """The best public weights, before ours, were 7.85 bits above it."""
    assert min(above_optimum()[name].mean().item() for name in MODELS[:2]) <= 1.0


@pytest.mark.parametrize("name", MODELS)
def test_no_model_beats_the_optimum(name: str) -> None:
    excess = above_optimum()[name]
    assert excess.mean().item() > -3 * excess.std().item() / math.sqrt(len(excess))
