"""The table of settings: complete, true to the paper, and fit for `train`."""

import copy
import json
import pickle
import re
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ntm_tutorial.models.lstm import LSTMBaseline
from ntm_tutorial.ntm import NTM
from ntm_tutorial.recipes import LIVE_LSTM, MODELS, RECIPES, Paper, Recipe, recipe
from ntm_tutorial.tasks import TASKS
from ntm_tutorial.training import train
from tests.each import each
from tools.kills import brief, small

all_recipes = each("plan", RECIPES.values())

# Tables 1 to 3 of the paper, a row for each model: heads, controller, learning rate, parameters.
PAPER = {
    "copy": [
        (1, "100", 1e-4, 17_162),
        (1, "100", 1e-4, 67_561),
        (0, "3 x 256", 3e-5, 1_352_969),
    ],
    "repeat-copy": [
        (1, "100", 1e-4, 16_712),
        (1, "100", 1e-4, 66_111),
        (0, "3 x 512", 3e-5, 5_312_007),
    ],
    "associative-recall": [
        (4, "256", 1e-4, 146_845),
        (1, "100", 1e-4, 70_330),
        (0, "3 x 256", 1e-4, 1_344_518),
    ],
    "dynamic-ngrams": [
        (1, "100", 3e-5, 14_656),
        (1, "100", 3e-5, 61_749),
        (0, "3 x 128", 1e-4, 331_905),
    ],
    "priority-sort": [
        (8, "512", 3e-5, 508_305),
        (5, "2 x 100", 3e-5, 269_038),
        (0, "3 x 128", 3e-5, 384_424),
    ],
}


def paper_of(plan: Recipe) -> Paper:
    assert plan.paper is not None
    return plan.paper


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_every_task_and_model_has_one() -> None:
    assert list(RECIPES) == [(task, model) for task in TASKS for model in MODELS]
    assert all((plan.task, plan.model) == pair for pair, plan in RECIPES.items())


def test_the_paper_is_quoted_right() -> None:
    for task, rows in PAPER.items():
        for model, row in zip(MODELS, rows, strict=True):
            paper = paper_of(recipe(task, model))
            assert (paper.heads, paper.controller, paper.learning_rate, paper.parameters) == row


@pytest.mark.parametrize(
    ("task", "inputs", "outputs"),
    [
        ("copy", 10, 9),
        ("repeat-copy", 8, 7),
        ("associative-recall", 8, 6),
        ("dynamic-ngrams", 1, 1),
    ],
)
def test_the_papers_lstm_counts_follow_their_formula(task: str, inputs: int, outputs: int) -> None:
    H = {"3 x 128": 128, "3 x 256": 256, "3 x 512": 512}[paper_of(recipe(task, "lstm")).controller]
    expected = 4 * H * (3 * inputs + 5 * H) + 18 * H + outputs * (3 * H + 1)
    assert paper_of(recipe(task, "lstm")).parameters == expected


@all_recipes
def test_it_builds_a_model_of_the_papers_kind_and_size(plan: Recipe) -> None:
    task, model = TASKS[plan.task], plan.build()
    assert isinstance(model, NTM | LSTMBaseline)
    assert (model.input_size, model.output_size) == (task.input_size, task.output_size)
    layers, _, size = paper_of(plan).controller.rpartition(" x ")
    if plan.model == "lstm":
        assert isinstance(model, LSTMBaseline)
        assert (model.settings["layers"], model.settings["hidden_size"]) == (int(layers), int(size))
    else:
        assert isinstance(model, NTM)
        settings = model.settings
        assert settings["controller"] == plan.model.removeprefix("ntm-")
        assert settings["read_heads"] == settings["write_heads"] <= paper_of(plan).heads
        if plan.task != "priority-sort":  # fewer heads do there, and another controller
            assert settings["read_heads"] == paper_of(plan).heads
            assert settings["controller_size"] == int(size)
            assert settings["controller_layers"] == int(layers or 1)
        assert model.memory_shape == (128, 20)
        assert settings["shift_range"] == 1
    assert 0.2 < count(model) / paper_of(plan).parameters < 1.2
    logits, _ = model(task.sample(2, generator=torch.Generator().manual_seed(0)).inputs[:9])
    assert logits.shape == (9, 2, task.output_size)


# Small runs of every recipe with a Neural Turing Machine: the cost of the last training batches,
# and of two validations, before training came in pieces and the plain step became the machine's.
COSTS = {
    "copy ntm-feedforward": (16.41335, 10.6229, 10.62022),
    "copy ntm-lstm": (16.66331, 10.28393, 10.28462),
    "repeat-copy ntm-feedforward": (52.60467, 36.61278, 36.49089),
    "repeat-copy ntm-lstm": (53.66751, 39.83235, 39.47906),
    "associative-recall ntm-feedforward": (17.93557, 17.92721, 17.95651),
    "associative-recall ntm-lstm": (18.11829, 17.83104, 17.82819),
    "dynamic-ngrams ntm-feedforward": (3.99422, 4.090281, 4.129117),
    "dynamic-ngrams ntm-lstm": (4.082892, 3.74173, 3.821306),
    "priority-sort ntm-feedforward": (20.3752, 21.37476, 21.41109),
    "priority-sort ntm-lstm": (20.2781, 20.96552, 21.03008),
    "live ntm-feedforward": (17.09425, 10.57813, 10.57693),
    "live ntm-lstm": (16.83697, 10.38571, 10.38512),
}


@pytest.mark.parametrize("name", COSTS)
def test_it_trains_as_it_always_did(name: str) -> None:
    """The shipped models came of such runs."""
    first, second = name.split()
    plan = small(recipe("copy", second, live=True) if first == "live" else recipe(first, second))
    history = train(
        plan.build(0), brief(TASKS[plan.task]), **vars(plan.settings), seed=0, progress=False
    )
    found = history.training_bits[-1], history.validation_bits[1], history.validation_bits[-1]
    assert found == pytest.approx(COSTS[name], rel=1e-5)


@all_recipes
def test_it_comes_back_from_its_description(plan: Recipe) -> None:
    words = json.loads(json.dumps(plan.describe()))
    assert Recipe.described(words) == replace(plan)
    sparse = words | {"training": plan.training}
    assert Recipe.described(sparse) == plan, "what a file leaves out is as usual"
    assert plan.training["sequences"] >= plan.settings.validation.every


def test_its_description_has_the_names_that_files_always_had() -> None:
    words = recipe("dynamic-ngrams", "ntm-lstm").describe()
    assert (
        words["training"].items() >= {"epsilon": 1e-8, "momentum": 0.9, "smoothing": 0.999}.items()
    )
    assert words["input_gain"] == {"0": 2.0} | {str(n): 0.6 for n in range(1, 21)}
    assert recipe("repeat-copy", "ntm-lstm").describe()["input_gain"] == {"9": 8.0}
    assert LIVE_LSTM.describe()["input_gain"] == {str(n): 0.125 for n in range(9, 29)}


def test_nobody_changes_what_all_share() -> None:
    plan = recipe("repeat-copy", "ntm-lstm")
    for shared in (plan.network, plan.input_gain, LIVE_LSTM.settings.validation.difficulty):
        assert shared
        with pytest.raises(TypeError, match="stays as it is"):
            shared["read_heads"] = 2  # type: ignore[index]
        with pytest.raises(TypeError, match="stays as it is"):
            shared.update(read_heads=2)  # type: ignore[union-attr]
        assert copy.deepcopy(shared) == pickle.loads(pickle.dumps(shared)) == shared
    plan.training["sequences"] = 5
    assert plan.training["sequences"] == 400_000
    with pytest.raises(FrozenInstanceError):
        plan.settings.batch_size = 5  # type: ignore[misc]


def test_it_trains_by_itself() -> None:
    plan = recipe("copy", "ntm-feedforward").but(network={"memory_locations": 5}, ramp=8)
    brief_run: dict[str, Any] = {"sequences": 16, "validate_every": 8, "validation_sequences": 2}
    one, other = plan.build(), plan.build()
    history = plan.train(one, seed=3, progress=False, **brief_run)
    told = {**plan.training, **brief_run}
    assert (
        history.validation_bits
        == train(other, TASKS["copy"], seed=3, progress=False, **told).validation_bits
    )
    assert history.sequences == [16]
    assert one.memory_shape == (5, 20)


def test_the_seed_decides_the_start_and_nothing_else_is_drawn() -> None:
    before = torch.get_rng_state()
    one, again, other = (recipe("copy", "ntm-lstm").build(seed).state_dict() for seed in (1, 1, 2))
    assert torch.get_rng_state().equal(before)
    assert all(one[name].equal(again[name]) for name in one)
    assert not one["output.weight"].equal(other["output.weight"])


@pytest.mark.bad_input
def test_unknown_names() -> None:
    with pytest.raises(ValueError, match=r"^task_name: expected one of \['associative.*got 'sort'"):
        recipe("sort", "lstm")
    with pytest.raises(ValueError, match=r"^model_name: expected one of .*'lstm'.*\], got 'ntm'"):
        recipe("copy", "ntm")


def test_numbers_of_numpy_are_taken_as_pythons() -> None:
    plan = recipe("repeat-copy", "ntm-lstm").but(
        network={"controller_size": np.int64(8)}, input_gain={"repeats": np.float32(2)}
    )
    assert plan == pickle.loads(pickle.dumps(plan))
    assert json.loads(json.dumps(plan.describe()))["network"]["controller_size"] == 8


@each(
    ("model", "change"),
    [
        ("ntm-lstm", {"input_gain": {"typo": 2.0}}),
        ("lstm", {"input_gain": {"reads": 2.0}}),
        ("delta", {"input_gain": {"bits": 2.0}}),
        ("ntm-lstm", {"network": {"memory_location": 64}}),
    ],
)
@pytest.mark.bad_input
def test_names_that_a_recipe_does_not_have(model: str, change: dict[str, Any]) -> None:
    ((group, given),) = change.items()
    with pytest.raises(TypeError, match=f"^{group}: expected .* got '{next(iter(given))}'"):
        recipe("copy", model).but(**change)


@pytest.mark.parametrize(
    ("task", "model", "gains", "channel", "weights"),
    [
        ("repeat-copy", "ntm-feedforward", {"repeats": 8.0}, 9, r"controller\.layers\.0\.weight"),
        ("repeat-copy", "ntm-lstm", {"repeats": 8.0}, 9, r"controller\.layers\.0\.weight_ih"),
        ("dynamic-ngrams", "lstm", {"bits": 30.0}, 0, r"layers\.\d\.weight_ih_l0"),
    ],
)
def test_a_channel_that_is_faint_starts_with_larger_weights(
    task: str, model: str, gains: dict[str, float], channel: int, weights: str
) -> None:
    plan = recipe(task, model)
    assert plan.input_gain == gains
    plain = dict(replace(plan, input_gain={}).build().named_parameters())
    (gain,) = gains.values()
    for name, value in plan.build().named_parameters():
        expected = plain[name].detach().clone()
        if re.fullmatch(weights, name):
            expected[:, channel] *= gain
        assert value.equal(expected), name


@pytest.mark.parametrize("model", ["ntm-feedforward", "ntm-lstm"])
def test_in_ngrams_the_first_reads_tell_of_the_last_five_bits(model: str) -> None:
    """A linear map, fitted on 32 sequences, finds the fifth bit from the end better than chance."""
    machine = recipe("dynamic-ngrams", model).build()
    assert isinstance(machine, NTM)
    bits = torch.randint(2, (120, 48, 1), generator=torch.Generator().manual_seed(0)).float()
    with torch.no_grad():
        _, trace = machine.trace(bits)
    reads, wanted = trace.reads[20:, :, 0], 2 * bits[16:-4] - 1
    fit = torch.linalg.lstsq(reads[:, :32].flatten(0, 1), wanted[:, :32].flatten(0, 1)).solution
    left = (reads[:, 32:] @ fit - wanted[:, 32:]).square().mean()
    assert left < 0.9


def test_the_quick_recipes_of_copy() -> None:
    for model in MODELS[:2]:
        plan = recipe("copy", model, live=True)
        assert (plan.task, plan.model) == ("copy", model)
        assert plan.paper == recipe("copy", model).paper
        assert plan.network == recipe("copy", model).network
    with pytest.raises(ValueError, match=r"^model_name: expected one of .*, got 'lstm'$"):
        recipe("copy", "lstm", live=True)


def test_the_lstm_controller_starts_with_quiet_reads() -> None:
    weights = LIVE_LSTM.build().state_dict()["controller.layers.0.weight_ih"].abs()
    assert weights[:, 9:].max() <= 0.05 < 0.3 < weights[:, :9].max() <= 0.4
