"""The map tests every trained model it finds, once, and tells how wrong each is."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ntm_tutorial import TASKS, pretrained
from ntm_tutorial.lab import maps
from ntm_tutorial.lab.maps import COLUMNS, TESTS
from ntm_tutorial.models import FAMILIES
from ntm_tutorial.recipes import ALL_RECIPES, WITHOUT, recipe
from ntm_tutorial.training import History
from tests.each import each

SMALL: dict[tuple[str, str], dict[str, Any]] = {
    ("copy", "transformer-rope"): {"width": 8, "heads": 2},
    ("copy", "dnc"): {"controller_size": 4},
}


class Says(nn.Module):
    """Says the same logit to everything."""

    def __init__(self, task_name: str, logit: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))
        self.channels = TASKS[task_name].output_size

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        return self.logit.expand(*inputs.shape[:2], self.channels), None


def test_every_task_has_every_column() -> None:
    assert TESTS.keys() == TASKS.keys()
    for name, tests in TESTS.items():
        assert set(COLUMNS) <= set(tests)
        within = tests["in range"].difficulty
        limits = TASKS[name].training_range
        assert all(limits[key][1] == value for key, value in within.items())


@each("name", list(TASKS))
def test_who_does_not_know_is_as_wrong_as_a_coin(name: str) -> None:
    test = TESTS[name]["in range"]._replace(sequences=20)
    told = maps.examine(Says(name, 0.0), name, test)
    if TASKS[name].optimum is None:
        assert told["wrong"] == pytest.approx(1, abs=0.25)
    else:
        assert told["wrong"] == pytest.approx(1, abs=1e-4)
        assert maps.examine(Says(name, 9.0), name, test)["wrong"] > 1


def test_the_best_player_is_not_wrong() -> None:
    class Best(Says):
        def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
            return TASKS["dynamic-ngrams"].optimum(inputs), None  # type: ignore[misc]

    name = "dynamic-ngrams"
    told = maps.examine(Best(name, 0.0), name, maps.Test({"length": 30}, 5, 32))
    assert told["wrong"] == 0


def test_memories_that_can_grow_do() -> None:
    grown = maps.fitted(recipe("copy", "dnc").build(), maps.Test({"length": 120}, 1, 120))
    assert grown.settings["memory_locations"] == 160
    fixed = recipe("copy", "ntm-feedforward").build()
    assert maps.fitted(fixed, maps.Test({"length": 120}, 1, 120)) is fixed


def test_a_cache_grows_and_a_memory_does_not() -> None:
    short, long = (maps.Test({"length": length}, 1, length) for length in (2, 4))
    ours = recipe("copy", "transformer-rope").build()
    assert maps.carried(ours, "copy", long) - maps.carried(ours, "copy", short) == 4 * 4 * 64
    ntm = recipe("copy", "ntm-feedforward").build()
    assert maps.carried(ntm, "copy", long) == maps.carried(ntm, "copy", short)


def test_everything_is_tested_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "path", lambda plan: tmp_path / "none")
    for (task, model), network in SMALL.items():
        plan = recipe(task, model).but(network=network)
        path = tmp_path / f"{task}_{model}" / "seed-07.safetensors"
        pretrained.save_file(path, plan.build(7), plan, History(), seed=7)
    file, tests = tmp_path / "map.json", {"copy": {"in range": maps.Test({"length": 3}, 2, 3)}}
    found = maps.record([tmp_path], file, tests)
    assert set(found) == {f"{task}_{model}/seed-07" for task, model in SMALL}
    for run in found.values():
        assert set(run["tests"]) == set(run["state"]) == {"in range"}
    assert json.loads(file.read_text(encoding="utf-8")) == found
    monkeypatch.setattr(maps, "examine", lambda *_: pytest.fail("tested again"))
    assert maps.record([tmp_path], file, tests) == found


def test_other_weights_are_tested_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "path", lambda plan: tmp_path / "none")
    plan = recipe("copy", "transformer-rope").but(network={"width": 8, "heads": 2})
    path = tmp_path / "copy_transformer-rope" / "seed-07.safetensors"
    file, tests = tmp_path / "map.json", {"copy": {"in range": maps.Test({"length": 3}, 2, 3)}}
    marks = []
    for seed in (7, 8):
        pretrained.save_file(path, plan.build(seed), plan, History(), seed=7)
        marks.append(maps.record([tmp_path], file, tests)["copy_transformer-rope/seed-07"])
    assert marks[0]["weights"] != marks[1]["weights"]


def test_the_record_is_of_todays_weights() -> None:
    record = json.loads(maps.FILE.read_text(encoding="utf-8"))
    for key, path in maps.trained().items():
        model = pretrained.load_file(path).model
        assert record[key]["weights"] == maps.fingerprint(model), key
    for key, run in record.items():
        task = key.partition("_")[0]
        assert set(run["tests"]) == set(run["state"]) == set(TESTS[task]), key


def test_seeds_without_weights_have_what_the_scoreboard_says() -> None:
    found = maps.cells()
    recall = found["associative-recall", "ntm-lstm"]
    assert len(recall["in range"]) == len(recall["twice"]) == 10 > len(recall["six times"]) >= 1
    assert all(wrong >= 0 for cell in found.values() for seeds in cell.values()
               for wrong in seeds.values())  # fmt: skip


def test_no_cell_is_empty_without_a_reason() -> None:
    strips = maps.strips()
    assert strips.keys() == FAMILIES.keys()
    for model, row in strips.items():
        assert row.keys() == TASKS.keys()
        for task, strip in row.items():
            reason = WITHOUT.get((task, model), "a recipe, and no run of it yet")
            assert strip == reason or all(strip), (task, model)
    assert not WITHOUT.keys() & ALL_RECIPES.keys()
    assert maps.LABELS["repeat-copy"] == ("×10", "×20", "×60")
    assert maps.LABELS["priority-sort"] == ("20", "40", "120")
