"""One map of tasks by models: how wrong each trained model is, within its training and beyond.

``python -m ntm_tutorial.lab.maps FOLDER ...`` tests the models that come with the package, and the
weights that sweeps left in folders, on fresh sequences of every test of their task. It writes one
file into ``results``. What was tested already it leaves alone, unless the weights have changed.
"""

import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from ntm_tutorial import pretrained, storage
from ntm_tutorial.checks import telling
from ntm_tutorial.evaluation import evaluate, testing_seed
from ntm_tutorial.lab import positions, results, sweeps
from ntm_tutorial.models import FAMILIES
from ntm_tutorial.recipes import ALL_RECIPES, WITHOUT
from ntm_tutorial.tasks import TASKS

FILE = results.FOLDER / "map.json"
COLUMNS = ("in range", "twice", "six times")
"""How far a test goes, in multiples of the training range."""


class Test(NamedTuple):
    """What a model is asked.

    Attributes:
        difficulty: of the sequences.
        sequences: how many, all of them fresh.
        vectors: what a memory has to hold.
    """

    difficulty: dict[str, int]
    sequences: int
    vectors: int


def _of(names: Sequence[str], *tests: Sequence[int]) -> dict[str, Test]:
    """List a task's tests: sequences, vectors, and the value of each difficulty."""
    columns = (*COLUMNS, "longer")
    return {
        column: Test(dict(zip(names, values, strict=True)), sequences, vectors)
        for column, (sequences, vectors, *values) in zip(columns, tests, strict=False)
    }


TESTS: Mapping[str, Mapping[str, Test]] = {
    "copy": _of(["length"], (200, 20, 20), (200, 40, 40), (100, 120, 120)),
    "repeat-copy": _of(
        ["length", "repeats"], (100, 10, 10, 10), (100, 10, 10, 20), (50, 10, 10, 60),
        (100, 20, 20, 10),
    ),
    "associative-recall": _of(["items"], (200, 18, 6), (200, 36, 12), (200, 108, 36)),
    "dynamic-ngrams": _of(["length"], (200, 32, 200), (100, 32, 400), (50, 32, 1200)),
    "priority-sort": _of(
        ["items", "answers"], (200, 20, 20, 16), (100, 40, 40, 32), (50, 120, 120, 96)
    ),
}  # fmt: skip
"""By task and column. Repeat copy's columns count repeats; longer vectors are one test more."""


def trained(folders: Iterable[Path] = ()) -> dict[str, Path]:
    """List what comes with the package, then what sweeps of whole recipes left in folders.

    The weights of each trained model stand by its name in the record.
    """
    found: dict[str, Path] = {}
    for task, model in ALL_RECIPES:
        if task in TASKS:
            own = pretrained.path(ALL_RECIPES[task, model])
            files = [own] if own.is_file() else []
            for folder in folders:
                files += sorted(folder.glob(f"{task}_{model}/seed-*.safetensors"))
            for path in files:
                seed = storage.load(path)[1]["seed"]
                found.setdefault(f"{task}_{model}/seed-{seed:02}", path)
    return found


def fingerprint(model: nn.Module) -> str:
    """Return what no other weights have."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]


def fitted(model: Any, test: Test) -> Any:
    """Return the model as it is tested: where its memory may grow, with a third more than it holds.

    A differentiable neural computer has such a memory. An NTM keeps the 128 rows of its training.
    """
    locations = -(-4 * test.vectors // 3)
    if hasattr(model, "at") and model.settings["memory_locations"] < locations:
        return model.at(memory_locations=locations)
    return model


@torch.no_grad()
def carried(model: nn.Module, task_name: str, test: Test) -> int:
    """Return how many numbers a model carries on after a sequence: its state."""
    generator = torch.Generator().manual_seed(testing_seed(0))
    episode = TASKS[task_name].sample(1, generator=generator, **test.difficulty)
    _, state = fitted(model, test)(episode.inputs)
    return sum(part.numel() for part in tree_leaves(state))


def how_wrong(
    wrong: float | int, paid: float | int, asked: float | int, best: float | None = None
) -> float:
    """Measure how wrong a model is on one scale for all tasks: 0 is perfect, 1 is a coin.

    It is twice the share of wrong bits; where a task has an optimum, it is what is paid above that,
    beside what a coin pays above it. So it can be more than 1, for who is wrong and sure of it.

    Args:
        wrong: mean wrong bits.
        paid: mean cost in bits.
        asked: bits that a sequence asks for, which is what a coin pays.
        best: what the optimum pays, where there is one.
    """
    return 2 * wrong / asked if best is None else (paid - best) / (asked - best)


@telling
def examine(model: nn.Module, task_name: str, test: Test) -> dict[str, float]:
    """Test a model, and tell how wrong it is, as ``how_wrong`` has it."""
    task = TASKS[task_name]
    # As many steps at a time as fit into the memory of a small machine.
    steps = task.sample(1, **test.difficulty).inputs.shape[0]  # type: ignore[arg-type]
    size = max(1, min(50, 5_000 // steps))
    how: dict[str, Any] = {"sequences": test.sequences, "batch_size": size, **test.difficulty}
    told = evaluate(fitted(model, test), task, **how)
    best = None
    if task.optimum is not None:
        best = evaluate(results.Optimum(task), task, **how).mean_bits
    asked = told.asked.double().mean().item()
    wrong = how_wrong(told.mean_wrong, told.mean_bits, asked, best)
    return {
        "wrong": round(wrong, 5),
        "mean_wrong": round(told.mean_wrong, 4),
        "mean_bits": round(told.mean_bits, 4),
        "perfect": round(told.share_perfect, 4),
    }


def record(
    folders: Iterable[Path] = (),
    file: Path = FILE,
    tests: Mapping[str, Mapping[str, Test]] = TESTS,
) -> dict[str, Any]:
    """Test all trained models; return, by run and test, how wrong each is, and its state's size."""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for key, path in trained(folders).items():
        task, model = key.partition("_")[0], pretrained.load_file(path).model
        mark = fingerprint(model)
        if found.get(key, {}).get("weights") != mark:
            found[key] = {"weights": mark, "state": {}, "tests": {}}
        run = found[key]
        for column, test in tests[task].items():
            if column not in run["tests"]:
                with sweeps.using_threads(1):
                    run["tests"][column] = examine(model, task, test)
                    run["state"][column] = carried(model, task, test)
                storage.write_text(file, _lines(found))
    return found


def _lines(found: dict[str, Any]) -> str:
    """Write a record, a run a line."""
    runs = ",\n".join(f"{json.dumps(key)}: {json.dumps(found[key])}" for key in sorted(found))
    return f"{{\n{runs}\n}}\n"


Cells = dict[tuple[str, str], dict[str, dict[int, float]]]
"""By task and model, then by column: how wrong each seed's model is."""


def recorded(file: Path = FILE) -> dict[str, Any]:
    """Read the record: by run, such as ``"copy_lstm/seed-00"``, its tests and its state's sizes."""
    return json.loads(file.read_text(encoding="utf-8"))


def cells(file: Path = FILE) -> Cells:
    """Read how wrong each model is.

    Where a seed left its results and no weights, those tests of the scoreboard serve that have the
    same difficulty.
    """
    found: Cells = defaultdict(lambda: {column: {} for column in (*COLUMNS, "longer")})
    for one in results.load():
        if one.task in TESTS and not one.live and not one.settings:
            for column, test in TESTS[one.task].items():
                for score in one.scores:
                    if score["difficulty"] == test.difficulty:
                        found[one.task, one.model][column][one.seed] = how_wrong(
                            score["mean_wrong"], score["mean_bits"], score["bits_asked"],
                            score.get(results.BEST),
                        )  # fmt: skip
    for key, run in recorded(file).items():
        name, _, seed = key.partition("/seed-")
        task, _, model = name.partition("_")
        for column, told in run["tests"].items():
            found[task, model][column][int(seed)] = told["wrong"]
    bare = positions.recorded("silent", "none")
    for column in COLUMNS:
        length = TESTS["copy"][column].difficulty["length"]
        found["copy", "transformer-none"][column] = {
            positions.SEED: how_wrong(bare[length], 0.0, TASKS["copy"].output_size * length)
        }
    return dict(found)


def strips(found: Cells | None = None) -> dict[str, dict[str, list[list[float]] | str]]:
    """Return the rows of ``plots.strip_map``: by model and task a strip, or why there is none."""
    found = cells() if found is None else found
    why = dict.fromkeys(ALL_RECIPES, "a recipe, and no run of it yet") | WITHOUT
    return {
        model: {
            task: [list(found[task, model][column].values()) for column in COLUMNS]
            if (task, model) in found
            else why[task, model]
            for task in TESTS
        }
        for model in FAMILIES
    }


def _label(task: str, column: str) -> str:
    """Name a square by the first of its task's difficulties that the columns change."""
    near, far = (TESTS[task][end].difficulty for end in (COLUMNS[0], COLUMNS[-1]))
    name = next(name for name in near if near[name] != far[name])
    return "×" * (name == "repeats") + str(TESTS[task][column].difficulty[name])


LABELS = {task: tuple(_label(task, column) for column in COLUMNS) for task in TESTS}
"""What the squares of each task are called."""


if __name__ == "__main__":
    record([Path(folder) for folder in sys.argv[1:]])
