"""Models that come trained: each file loads, runs, fits its recipe, and does what the book says."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ntm_tutorial import pretrained, storage
from ntm_tutorial.evaluation import evaluate, training_map
from ntm_tutorial.ntm import NTM
from ntm_tutorial.pretrained import available, load, load_file, save_file
from ntm_tutorial.recipes import ALL_RECIPES, recipe
from ntm_tutorial.settings import typed
from ntm_tutorial.tasks import ALL_TASKS, TASKS
from ntm_tutorial.training import History
from tests.each import each

PLAN = recipe("copy", "ntm-feedforward")
HISTORY = History([16, 32], [9.5, 8.25], [9.0, math.inf], [3.0, 2.0], [0.1, 0.2])
SOLVED = [
    ("copy", "ntm-feedforward"),
    ("copy", "ntm-lstm"),
    ("repeat-copy", "ntm-lstm"),
    ("associative-recall", "ntm-feedforward"),
    ("associative-recall", "ntm-lstm"),
]


def described(**changes: Any) -> dict[str, Any]:
    """Return a description of the plan in which something differs."""
    return {"recipe": PLAN.describe() | changes}


def gains(numbers: dict[str, float]) -> dict[str, Any]:
    return described(input_gain=numbers)


every_file = each(("task", "model"), available())
copy_ntms = pytest.mark.parametrize(
    ("task", "model"), [pair for pair in available() if pair[0] == "copy" and pair[1][:3] == "ntm"]
)


class TestComesTrained:
    @every_file
    def test_it_loads_and_runs(self, task: str, model: str) -> None:
        found = load(task, model)
        assert (found.recipe.task, found.recipe.model) == (task, model)
        assert found.task is ALL_TASKS[task]
        assert not found.model.training
        episode = found.task.sample(2, generator=torch.Generator().manual_seed(0))
        logits, _ = found.model(episode.inputs)
        assert logits.shape == episode.targets.shape
        assert logits.isfinite().all()

    @every_file
    def test_it_was_built_and_trained_by_todays_recipe(self, task: str, model: str) -> None:
        """A file may spell out what the recipe leaves to `train`."""
        assert replace(load(task, model).recipe, seed=0) == replace(recipe(task, model), seed=0)

    @every_file
    def test_its_learning_curve_is_there_and_falls(self, task: str, model: str) -> None:
        history = load(task, model).history
        assert len(history.sequences) > 10
        assert all(len(values) == len(history.sequences) for values in vars(history).values())
        assert history.sequences == sorted(set(history.sequences))
        assert history.sequences[-1] <= recipe(task, model).training["sequences"]
        assert min(history.validation_bits) < 0.9 * history.validation_bits[0]

    @every_file
    def test_its_file_says_how_it_came_about(self, task: str, model: str) -> None:
        _, about = storage.load(pretrained.path(recipe(task, model)))
        assert about.keys() == {"kind", "recipe", "seed", "versions", "history"}
        assert about["versions"].keys() == {"python", "torch"}

    def test_all_files_belong_to_a_recipe_and_are_small(self) -> None:
        files = list(pretrained.FOLDER.glob("*.safetensors"))
        assert {pretrained.path(ALL_RECIPES[pair]) for pair in available()} == set(files)
        assert sum(file.stat().st_size for file in files) < 30e6
        assert {file.suffix for file in pretrained.FOLDER.iterdir() if file.is_file()} <= {
            ".py",
            ".safetensors",
        }

    @copy_ntms
    @pytest.mark.parametrize(
        ("length", "wrong", "perfect"), [(20, 0.0, 1.0), (50, 0.05, 0.9), (120, 1.0, 0.9)]
    )
    def test_copy_generalises(
        self, task: str, model: str, length: int, wrong: float, perfect: float
    ) -> None:
        """Trained on lengths 1 to 20. The best public weights make 10 to 29 errors at 120."""
        found = load(task, model)
        result = evaluate(found.model, found.task, sequences=200, seed=2014, length=length)
        assert result.mean_wrong <= wrong
        assert result.share_perfect >= perfect

    @pytest.mark.usefixtures("no_shape_checks")
    @pytest.mark.parametrize("pair", SOLVED, ids="/".join)
    def test_every_cell_of_the_training_range_is_solved(self, pair: tuple[str, str]) -> None:
        found = load(*pair)
        assert training_map(found.model, found.task).solved


class TestSaveAndLoad:
    @pytest.mark.parametrize("model_name", ["ntm-feedforward", "ntm-lstm", "lstm"])
    def test_there_and_back(self, tmp_path: Path, model_name: str) -> None:
        plan = recipe("copy", model_name)
        model = plan.build(3)
        save_file(tmp_path / "file", model, plan, HISTORY, seed=3)
        found = load_file(tmp_path / "file")
        assert found.recipe == replace(plan, seed=3)
        assert found.history == HISTORY
        assert found.task is TASKS["copy"]
        inputs = torch.rand(4, 2, 9)
        assert found.model(inputs)[0].equal(model(inputs)[0])

    @pytest.mark.parametrize("certain", [True, False])
    def test_a_large_model_is_rounded_where_that_changes_no_answer(
        self, certain: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pretrained, "LARGE", 1_000)
        plan = recipe("copy", "lstm").but(network={"hidden_size": 8})
        model = plan.build()
        if certain:  # an untrained model's answers hang by a thread
            torch.nn.init.ones_(model.get_parameter("output.bias"))
        save_file(tmp_path / "file", model, plan, HISTORY, seed=0)
        for name, value in load_file(tmp_path / "file").model.state_dict().items():
            assert value.dtype == torch.float32
            ours = model.state_dict()[name]
            assert value.equal(ours.half().float() if certain else ours)

    def test_a_file_keeps_its_own_settings(self, tmp_path: Path) -> None:
        """A recipe may change after a model was trained; its file still says how."""
        network = {"controller_size": 7, "read_heads": 2}
        plan = replace(
            recipe("copy", "ntm-lstm"),
            network=network,
            settings=typed({"sequences": 5, "momentum": 0.3}),
            input_gain={"delimiter": 3.0, "reads": 2.0},
        )
        save_file(tmp_path / "file", plan.build(), plan, HISTORY, seed=0)
        found = load_file(tmp_path / "file")
        assert found.recipe == plan
        assert isinstance(found.model, NTM)
        assert found.model.read_heads == 2

    def test_available_follows_the_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
        assert available() == []
        for pair in (("repeat-copy", "ntm-lstm"), ("copy", "ntm-lstm")):
            plan = recipe(*pair)
            save_file(pretrained.path(plan), plan.build(), plan, HISTORY, seed=0)
        (tmp_path / "copy_something.safetensors").touch()
        assert available() == [("copy", "ntm-lstm"), ("repeat-copy", "ntm-lstm")]
        assert load("copy", "ntm-lstm").history == HISTORY
        with pytest.raises(ValueError, match=r"no trained lstm for copy .*: copy/ntm-lstm, repeat"):
            load("copy", "lstm")


@pytest.mark.bad_input
class TestRefused:
    def test_unknown_names(self) -> None:
        with pytest.raises(ValueError, match=r"^task_name: expected one of .*got 'sort'"):
            load("sort", "lstm")
        with pytest.raises(ValueError, match=r"^model_name: expected one of .*got 'gru'"):
            load("copy", "gru")

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"^path: no file"):
            load_file(tmp_path / "nothing")

    @pytest.mark.parametrize("damage", ["truncated", "flipped", "edited"])
    def test_a_damaged_file(self, tmp_path: Path, damage: str) -> None:
        file = tmp_path / "file"
        save_file(file, PLAN.build(), PLAN, HISTORY, seed=0)
        content = bytearray(file.read_bytes())
        if damage == "truncated":
            del content[-100:]
        elif damage == "flipped":
            content[len(content) // 2] ^= 1
        else:
            content = content.replace(b'\\"seed\\": 0', b'\\"seed\\": 1')
        assert content != file.read_bytes()
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"^path: file is damaged"):
            load_file(file)

    def test_a_checkpoint(self, tmp_path: Path) -> None:
        storage.save(tmp_path / "file", {"x": torch.zeros(1)}, {"task": "copy", "seen": 3})
        with pytest.raises(ValueError, match="holds no trained model; is it a checkpoint"):
            load_file(tmp_path / "file")

    @pytest.mark.parametrize(
        "change",
        [
            {"controller_size": 99}, {"read_heads": 2}, {"memory_locations": 64},
            {"memory_locations": 10**9}, {"controller_layers": 10**9}, {"shift_range": 10**9},
            {"depth": 3}, {"controller_size": "100"}, {"controller_size": -1},
        ],
        ids=str,
    )  # fmt: skip
    def test_weights_that_do_not_fit_their_recipe(
        self, tmp_path: Path, change: dict[str, Any]
    ) -> None:
        """And at once, however large a machine they ask for."""
        other = replace(PLAN, network=PLAN.network | change)
        save_file(tmp_path / "file", PLAN.build(), other, HISTORY, seed=0)
        with pytest.raises(ValueError, match=r"^path: file does not fit its recipe") as caught:
            load_file(tmp_path / "file")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        "value", [torch.tensor([math.nan] * 8), torch.tensor([math.inf] * 8), torch.arange(8),
                  torch.zeros(8, dtype=torch.complex64)],
        ids=str,
    )  # fmt: skip
    def test_weights_that_are_no_numbers(self, value: torch.Tensor, tmp_path: Path) -> None:
        save_file(tmp_path / "file", PLAN.build(), PLAN, HISTORY, seed=0)
        tensors, about = storage.load(tmp_path / "file")
        storage.save(tmp_path / "file", tensors | {"output.bias": value}, about)
        with pytest.raises(ValueError, match=r"^path: file does not fit .*: output.bias holds"):
            load_file(tmp_path / "file")

    @pytest.mark.parametrize(
        "change",
        [
            {"recipe": None}, {"recipe": {}}, {"history": 5}, {"history": {"bits": []}},
            gains({"7": 2.0}), gains({"0": 2.0, "99": 2.0}), gains({"many": 2.0}),
            described(network={"read_heads": "2"}), described(network={"read_heads": 10**12}),
            described(training={"decay": 5}),
        ],
        ids=str,
    )  # fmt: skip
    def test_a_description_of_another_kind(self, change: dict[str, Any], tmp_path: Path) -> None:
        save_file(tmp_path / "file", PLAN.build(), PLAN, HISTORY, seed=0)
        tensors, about = storage.load(tmp_path / "file")
        storage.save(tmp_path / "file", tensors, about | change)
        with pytest.raises(ValueError, match=r"^path: file does not fit its recipe"):
            load_file(tmp_path / "file")
