"""What came of training runs: one JSON file each, and what many of them say together.

The files in this folder are those that the book was written from. ``ntm-tutorial sweep`` wrote
them, and each names the command that does the same again.
"""

import hashlib
import itertools
import json
import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import Parameter

from ntm_tutorial import storage
from ntm_tutorial.checks import telling
from ntm_tutorial.evaluation import bits_per_sequence, evaluate
from ntm_tutorial.recipes import ALL_RECIPES, Recipe
from ntm_tutorial.tasks import ALL_TASKS, Task
from ntm_tutorial.training import History

FOLDER = Path(__file__).parent
FORMAT = 2
"""Of the files."""


class Scoring(NamedTuple):
    """When a task counts as solved, and on what a trained model is tested.

    Attributes:
        goal: bits per validation sequence; for the N-grams, above what the optimum costs.
        relapse: after the goal, a cost above so many bits is a relapse.
        tests: the difficulties of the test sequences.
    """

    goal: float
    relapse: float
    tests: tuple[dict[str, int], ...]


_COPYING = Scoring(0.1, 1.0, ({"length": 20}, {"length": 120}))
_REPEATING = tuple(
    {"length": a, "repeats": b} for a, b in ((10, 10), (10, 20), (20, 10), (10, 30), (20, 20))
)

SCORING: dict[str, Scoring] = {
    "copy": _COPYING,
    "repeat-copy": Scoring(2.0, 10.0, _REPEATING[:3]),
    "associative-recall": Scoring(0.1, 1.0, tuple({"items": items} for items in (6, 12, 15, 20))),
    "dynamic-ngrams": Scoring(2.0, 5.0, ({"length": 200},)),
    "priority-sort": Scoring(30.0, 60.0, ({"items": 20, "answers": 16},)),
    "repeat-copy-ticks": Scoring(2.0, 10.0, _REPEATING),
    "rebinding": Scoring(
        1.0,
        5.0,
        tuple({"items": a, "bindings": b} for a, b in ((8, 1), (8, 2), (8, 4), (8, 8), (16, 4))),
    ),
    "copy-fed": _COPYING,
}
"""One row a task."""


class Reported(NamedTuple):
    """What the paper reports; it gives curves and pictures, and hardly a number.

    Attributes:
        where: its figures.
        words: what they show.
        bits: from where to where a curve ends, in bits per sequence as far as one can read them
            off the plot; for the N-grams, above the optimum's line. None where that cannot be read.
    """

    where: str
    words: str
    bits: tuple[float, float] | None = None


_COPY = Reported(
    "Figures 3 and 4",
    "learned far sooner than by the LSTM; few mistakes up to length 50; at 120 one vector comes "
    "twice, and all after it a step late",
)
_REPEAT = Reported(
    "Figures 7 and 8",
    "learned far sooner than by the LSTM; longer sequences almost perfect; with more repeats it "
    "goes on copying, but cannot tell when to end",
)
_NGRAMS = Reported("Figure 13", "close to the optimum, never quite there", (0.5, 1.0))
_SORT = Reported("Figure 18", "far below the LSTM after a million sequences", (18.0, 20.0))

REPORTED: dict[tuple[str, str], Reported] = {
    ("copy", "ntm-feedforward"): _COPY,
    ("copy", "ntm-lstm"): _COPY,
    ("copy", "lstm"): Reported(
        "Figures 3 and 5",
        "right up to length 20; beyond it, only a beginning that gets shorter",
        (0.5, 0.5),
    ),
    ("repeat-copy", "ntm-feedforward"): _REPEAT,
    ("repeat-copy", "ntm-lstm"): _REPEAT,
    ("repeat-copy", "lstm"): Reported(
        "Figures 7 and 8",
        "some 20 bits after 100,000 sequences, 5 after 150,000, solved by 500,000; fails soon with "
        "longer sequences or more repeats",
    ),
    ("associative-recall", "ntm-feedforward"): Reported(
        "Figures 10 and 11",
        "near 0 bits by about 30,000 sequences; nearly perfect up to 12 items, below 1 bit at 15",
    ),
    ("associative-recall", "ntm-lstm"): Reported(
        "Figures 10 and 11", "near 0 bits, though later than with a feed-forward controller"
    ),
    ("associative-recall", "lstm"): Reported(
        "Figures 10 and 11",
        "some 8 bits after 200,000 sequences, 1 after 700,000, not near 0 after a million; 2 on "
        "lists of 6 items",
        (1.0, 1.0),
    ),
    ("dynamic-ngrams", "ntm-feedforward"): _NGRAMS,
    ("dynamic-ngrams", "ntm-lstm"): _NGRAMS,
    ("dynamic-ngrams", "lstm"): Reported("Figure 13", "worse than both NTMs", (3.0, 3.0)),
    ("priority-sort", "ntm-feedforward"): _SORT,
    ("priority-sort", "ntm-lstm"): _SORT,
    ("priority-sort", "lstm"): Reported("Figure 18", "far above both NTMs", (58.0, 58.0)),
}
"""The paper's results, by task and model. All numbers of bits are read off plots."""

HOLD = 20_000
"""For so many sequences the cost must stay at the goal before a run counts as solved."""

SEQUENCES = 500
"""Fresh sequences of each difficulty; the same ones for all models and seeds."""


@dataclass(frozen=True)
class Result:
    """What came of a run; its file holds the same, as JSON.

    Attributes:
        task: its name.
        model: its name.
        live: whether it was the quick recipe for copy, ``LIVE``.
        settings: what replaced the recipe's own settings, by name.
        seed: decided the start and every random draw.
        command: does the same again.
        outcome: ``"finished"`` or ``"not finite"``.
        error: what training said, where it ended early.
        scores: for each difficulty of the tests, what ``evaluate`` found.
        optimum: cost of the optimal predictions on the validation sequences; 0 where a perfect
            model pays nothing.
        parameters: the number of weights.
        history: the learning curve.
        wall_seconds: time by the clock; none where a run was interrupted and went on, or where
            nobody looked.
        compiled: whether the machine's steps were compiled; none where nobody knows.
        recipe: all settings.
        machine: processor and threads, where they are known.
        versions: of Python, PyTorch and, where it is known, this package.
        format: of the file.
    """

    task: str
    model: str
    live: bool
    settings: dict[str, Any]
    seed: int
    command: str
    outcome: str
    error: str | None
    scores: list[dict[str, Any]]
    optimum: float
    parameters: int
    history: History
    wall_seconds: float | None
    compiled: bool | None
    recipe: dict[str, Any]
    machine: dict[str, Any]
    versions: dict[str, str]
    format: int = FORMAT

    @property
    def setting(self) -> str:
        """Tell its settings from others', as a folder's name."""
        return setting_of(self.task, self.model, self.live, self.settings)

    @property
    def curve(self) -> History:
        """The learning curve, its validation cost in bits above the optimum."""
        above = [cost - self.optimum for cost in self.history.validation_bits]
        return replace(self.history, validation_bits=above)

    @property
    def lowest(self) -> float:
        """The validation cost of the weights that the run kept, above the optimum."""
        return self.curve.lowest(self.recipe["training"].get("harden_after") or 0)

    @property
    def reached(self) -> int | None:
        """After how many sequences the cost first came to the task's goal, if it did."""
        return self.curve.reached(SCORING[self.task].goal)

    @property
    def solved(self) -> int | None:
        """After how many sequences the cost came to the goal and stayed there, if it did."""
        return self.curve.sustained(SCORING[self.task].goal, HOLD)

    @property
    def seconds_to_goal(self) -> float | None:
        """Processor seconds until the cost came to the goal and stayed there, if it did."""
        if self.solved is None:
            return None
        return self.history.seconds[self.history.sequences.index(self.solved)]

    @property
    def relapses(self) -> int:
        """How often the cost rose again after it had been at the goal."""
        return self.curve.relapses(SCORING[self.task].goal, SCORING[self.task].relapse)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all, an entry a line, the last a digest of all others."""
        history = {
            name: [_significant(value) for value in values]
            for name, values in vars(self.history).items()
        }
        entries = asdict(self) | {"history": history, "format": FORMAT}
        entries["digest"] = _digest(entries)
        text = ",\n".join(f'"{name}": {json.dumps(value)}' for name, value in entries.items())
        storage.write_text(path, f"{{\n{text}\n}}\n")

    @classmethod
    def read(cls, path: Path) -> "Result":
        """Read a file.

        Raises:
            ValueError: if it is damaged, was edited, or is of another format.
        """
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(entries, dict) or not {"format", "digest"} <= entries.keys():
                raise ValueError("it has no format or digest")
            if entries["format"] != FORMAT:
                raise ValueError(f"format: expected {FORMAT}, got {entries['format']}")
            if entries.pop("digest") != _digest(entries):
                raise ValueError("digest: it does not fit, so an entry was damaged or edited")
            return cls(**entries | {"history": History(**entries["history"])})
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(
                f"{path} is no file of results ({error}); remove it, and run it anew"
            ) from error


def _digest(entries: dict[str, Any]) -> str:
    """Return what no other entries have, in whatever order they stand."""
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


BEST = "optimum_bits"


@telling
def load(folder: str | Path = FOLDER) -> list[Result]:
    """Read all files of results under a folder, in the order of their names.

    Raises:
        ValueError: if one is damaged.
    """
    return [Result.read(path) for path in sorted(Path(folder).rglob("seed-*.json"))]


def setting_of(task_name: str, model_name: str, live: bool, settings: dict[str, Any]) -> str:
    """Name a folder for results of one setting."""
    text = "+".join(f"{name}={value}" for name, value in settings.items())
    slug = re.sub(r"[^\w.=+-]", "-", re.sub(r"[\[\](){}'\" ]", "", text))
    name = f"{task_name}_{model_name}" + "_live" * live
    return f"{name}/{slug}" if slug else name


@telling
def score(model: nn.Module, task_name: str, sequences: int = SEQUENCES) -> list[dict[str, Any]]:
    """Test a model on fresh sequences of each difficulty in ``SCORING``.

    Where a task has an optimum, it is tested on the same sequences.
    """
    task, scores = ALL_TASKS[task_name], []
    for difficulty in SCORING[task_name].tests:
        found = evaluate(model, task, sequences=sequences, **difficulty)
        entry = {
            "difficulty": difficulty,
            "sequences": sequences,
            "bits_asked": round(found.asked.double().mean().item(), 2),
            "mean_bits": _significant(found.mean_bits),
            "mean_wrong": _significant(found.mean_wrong),
            "median_wrong": found.median_wrong,
            "share_perfect": _significant(found.share_perfect),
        }
        if task.optimum is not None:
            best = evaluate(Optimum(task), task, sequences=sequences, **difficulty)
            entry[BEST] = _significant(best.mean_bits)
        scores.append(entry)
    return scores


class Optimum(nn.Module):
    """The best that can be said on a task, called like a trained model."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        self.nothing = Parameter()  # evaluate asks a model where its parameters are

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        """Map inputs (T, B, I) to the optimum's logits (T, B, O), and to no state."""
        assert self.task.optimum is not None
        return self.task.optimum(inputs), None


def validation_optimum(plan: Recipe, seed: int) -> float:
    """Return what the best predictions cost on the validation sequences of a run.

    It is 0 where a perfect model pays nothing.
    """
    task = ALL_TASKS[plan.task]
    if task.optimum is None:
        return 0.0
    episode = plan.settings.validation.episode(task, seed)
    logits = task.optimum(episode.inputs)
    return _significant(bits_per_sequence(logits, episode).mean().item())


@dataclass(frozen=True)
class Summary:
    """All results of one setting together.

    Attributes:
        setting: as ``Result.setting``.
        task: its name.
        model: its name.
        command: does all these runs again.
        runs: how many.
        reached: how many came to the goal at all.
        solved: how many came to the goal and stayed.
        not_finite: how many ended because the gradient was not finite.
        relapses: of all runs together.
        sequences: to the goal, of those that stayed there.
        seconds: processor seconds to the goal, of those that stayed there.
        scores: by test difficulty, each run's mean wrong bits; for the N-grams, its mean bits
            above the optimum.
    """

    setting: str
    task: str
    model: str
    command: str
    runs: int
    reached: int
    solved: int
    not_finite: int
    relapses: int
    sequences: list[int]
    seconds: list[float]
    scores: dict[str, list[float]]


@telling
def summarize(found: Sequence[Result]) -> list[Summary]:
    """Put the results of each setting together, in the order of the recipes."""
    groups = itertools.groupby(sorted(found, key=_place), _place)
    return [_summary(list(group)) for _, group in groups]


def _place(result: Result) -> tuple[int, str]:
    return list(ALL_RECIPES).index((result.task, result.model)), result.setting


def _summary(group: list[Result]) -> Summary:
    scores: dict[str, list[float]] = {}
    for test in (test for one in group for test in one.scores):
        name = ", ".join(f"{name} {value}" for name, value in test["difficulty"].items())
        scores.setdefault(name, []).append(measured(test))
    return Summary(
        group[0].setting,
        group[0].task,
        group[0].model,
        command=_command(group),
        runs=len(group),
        reached=sum(one.reached is not None for one in group),
        solved=sum(one.solved is not None for one in group),
        not_finite=sum(one.outcome == "not finite" for one in group),
        relapses=sum(one.relapses for one in group),
        sequences=[one.solved for one in group if one.solved is not None],
        seconds=[one.seconds_to_goal for one in group if one.seconds_to_goal is not None],
        scores=scores,
    )


def _command(group: list[Result]) -> str:
    """Return one command for runs that differ in their seeds alone: that of most of them."""
    seeds = [one.seed for one in group]
    these = f"--seeds {max(seeds) - min(seeds) + 1} --first-seed {min(seeds)}"
    return statistics.mode(
        one.command.replace(f"--seeds 1 --first-seed {one.seed}", these) for one in group
    )


def cost(test: dict[str, Any]) -> float:
    """Return a test's mean bits per sequence; for the N-grams, above the optimum."""
    return test["mean_bits"] - test.get("optimum_bits", 0.0)


def measured(test: dict[str, Any]) -> float:
    """Return what says most of a task: mean wrong bits; for the N-grams, the cost."""
    return cost(test) if "optimum_bits" in test else test["mean_wrong"]


@telling
def spread(values: Sequence[int] | Sequence[float], form: str = ".3g") -> str:
    """Write the median of some numbers and their range, such as ``"3 (1 to 12)"``."""
    if not values:
        return "-"
    middle, low, high = statistics.median(values), min(values), max(values)
    if len(values) == 1:
        return f"{middle:{form}}"
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def _significant(value: int | float) -> int | float:
    """Keep five digits, so that a file stays small."""
    return float(f"{value:.5g}") if isinstance(value, float) and math.isfinite(value) else value
