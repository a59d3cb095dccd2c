"""Many runs of a recipe, from many seeds and with other settings: one file of results a run.

A run that has its file is done; one that was cut short goes on from its checkpoint. So the same
command, given again, finishes what a first one began.
"""

import ast
import inspect
import itertools
import json
import math
import platform
import re
import shlex
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from joblib import Parallel, delayed, parallel_config
from torch import Tensor, nn
from tqdm.auto import tqdm

from ntm_tutorial import pretrained, storage
from ntm_tutorial.checks import check_positive
from ntm_tutorial.evaluation import SEEDS, bits_per_sequence, check_seed, evaluate
from ntm_tutorial.lstm import LSTMBaseline
from ntm_tutorial.ntm import NTM
from ntm_tutorial.recipes import Recipe, live, recipe
from ntm_tutorial.tasks import TASKS
from ntm_tutorial.tasks.dynamic_ngrams import optimal_predictions
from ntm_tutorial.training import History, train

FORMAT = 1
"""Of the files of results; a later one may add entries."""


class Scoring(NamedTuple):
    """When a task counts as solved, and on what a trained model is tested.

    Attributes:
        goal: bits per validation sequence; for the N-grams, above what the optimum costs.
        relapse: from the goal, a cost above this many bits is a relapse.
        tests: the difficulties of the test sequences.
    """

    goal: float
    relapse: float
    tests: tuple[dict[str, int], ...]


SCORING: dict[str, Scoring] = {
    "copy": Scoring(0.1, 1, ({"length": 20}, {"length": 120})),
    "repeat-copy": Scoring(
        2, 10, tuple({"length": a, "repeats": b} for a, b in ((10, 10), (10, 20), (20, 10)))
    ),
    "associative-recall": Scoring(0.1, 1, tuple({"items": items} for items in (6, 12, 15, 20))),
    "dynamic-ngrams": Scoring(2, 5, ({"length": 200},)),
    "priority-sort": Scoring(30, 60, ({"items": 20, "answers": 16},)),
}
"""One row a task."""

HOLD = 20_000
"""For so many sequences the cost must stay at the goal before a run counts as solved."""

TEST_SEQUENCES = 500
"""Fresh sequences of each difficulty; the same ones for all models and seeds."""

FIXED = ("model", "task", "seed", "compile", "progress", "checkpoint", "on_validation")
"""Arguments of ``train`` that are no settings."""


@dataclass(frozen=True)
class Run:
    """A recipe to train, from one seed.

    Attributes:
        plan: the recipe, with the settings that replace its own already in it.
        seed: decides the start and every random draw.
        live: whether it is the recipe that chapter 6 trains while the reader watches.
        settings: what replaces the recipe's own settings, by name.
    """

    plan: Recipe
    seed: int
    live: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def setting(self) -> str:
        """Tell this run's settings from others', as a folder's name."""
        parts = [f"{name}={value}".replace(" ", "") for name, value in self.settings.items()]
        slug = re.sub(r"[^\w.=+-]+", "-", "+".join(parts)).strip("-")
        name = f"{self.plan.task}_{self.plan.model}" + "_live" * self.live
        return f"{name}/{slug}" if slug else name

    @property
    def name(self) -> str:
        """Where its files lie in the folder of results, without their endings."""
        return f"{self.setting}/seed-{self.seed:02}"

    def command(self, *, compiled: bool) -> str:
        """Return the command that does this run alone."""
        words = ["ntm-tutorial", "sweep", self.plan.task, self.plan.model, "--live" * self.live]
        if self.settings:
            words += ["--set", *(f"{name}={value}" for name, value in self.settings.items())]
        words += ["--seeds", "1", "--first-seed", str(self.seed), "--compile" * compiled]
        return shlex.join(word for word in words if word)


@dataclass(frozen=True)
class Result:
    """What came of a run; a file of results holds one, as JSON.

    Attributes:
        task: its name.
        model: its name.
        live: whether chapter 6's recipe was used.
        settings: what replaced the recipe's own settings.
        seed: decided the start and every random draw.
        command: does the same again.
        outcome: ``"finished"`` or ``"not finite"``.
        error: what training said, where it ended early.
        scores: for each difficulty of the tests, what ``evaluate`` found.
        optimum: cost of the optimal predictions on the validation sequences; 0 where a perfect
            model pays nothing.
        parameters: the number of weights.
        history: the learning curve.
        wall_seconds: time by the clock; none where a run was interrupted and went on.
        compiled: whether the machine's steps were compiled.
        recipe: all settings.
        machine: processor and threads.
        versions: of Python, PyTorch and this package.
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
    compiled: bool
    recipe: dict[str, Any]
    machine: dict[str, Any]
    versions: dict[str, str]
    format: int = FORMAT

    @property
    def solved(self) -> int | None:
        """After how many sequences the cost came to the task's goal and stayed, if it did."""
        return self.history.sustained(self.optimum + SCORING[self.task].goal, HOLD)

    @property
    def relapses(self) -> int:
        """How often the cost rose again after it had been at the goal."""
        scoring = SCORING[self.task]
        return self.history.relapses(self.optimum + scoring.goal, self.optimum + scoring.relapse)

    @property
    def seconds_to_solve(self) -> float | None:
        """Processor seconds until the cost came to the goal and stayed, if it did."""
        if self.solved is None:
            return None
        return self.history.seconds[self.history.sequences.index(self.solved)]

    @property
    def setting(self) -> str:
        """Tell its settings from others', as ``Run.setting``."""
        return Run(recipe(self.task, self.model), self.seed, self.live, self.settings).setting

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all, an entry a line."""
        entries = asdict(self) | {
            "history": {name: _rounded(values) for name, values in vars(self.history).items()}
        }
        text = ",\n".join(f'"{name}": {json.dumps(value)}' for name, value in entries.items())
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".part")
        temporary.write_text(f"{{\n{text}\n}}\n")
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> "Result":
        """Read a file of results.

        Raises:
            ValueError: if it is damaged, or of another format.
        """
        try:
            entries = json.loads(path.read_text())
            if entries["format"] != FORMAT:
                raise ValueError(f"expected format {FORMAT}, got {entries['format']}")
            return cls(**entries | {"history": History(**entries["history"])})
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is no file of results ({error}); remove it, and run it anew"
            ) from error


def runs(
    task_name: str,
    model_name: str,
    *,
    seeds: Iterable[int],
    live_recipe: bool = False,
    settings: dict[str, Sequence[Any]] | None = None,
) -> list[Run]:
    """List the runs of a sweep: every seed with every combination of settings.

    Args:
        task_name: such as ``"copy"``.
        model_name: ``"ntm-feedforward"``, ``"ntm-lstm"`` or ``"lstm"``.
        seeds: one run each.
        live_recipe: take the recipe of chapter 6, which is for copy.
        settings: by name, the values to try: keyword arguments of ``train``, or of the network as
            in ``"network.memory_locations"``.

    Raises:
        ValueError: if there is no such recipe, setting or seed.
    """
    plan = live(model_name) if live_recipe else recipe(task_name, model_name)
    if plan.task != task_name:
        raise ValueError(f"--live: chapter 6 trains {plan.task}, not {task_name}")
    allowed = settings_of(model_name)
    for name in settings or {}:
        if name not in allowed:
            raise ValueError(f"settings: there is no {name!r}; there are {', '.join(allowed)}")
    found = []
    for values in itertools.product(*(settings or {}).values()):
        chosen = dict(zip(settings or {}, values, strict=True))
        for seed in seeds:
            check_seed(seed)
            found.append(Run(_with_settings(plan, chosen), seed, live_recipe, chosen))
    return found


def settings_of(model_name: str) -> list[str]:
    """List the names of all settings that a sweep can change."""
    network = LSTMBaseline if model_name == "lstm" else NTM
    sizes = [name for name, about in inspect.signature(network).parameters.items()
             if about.kind is about.KEYWORD_ONLY and name != "controller"]  # fmt: skip
    training = [name for name in inspect.signature(train).parameters if name not in FIXED]
    return [*training, *(f"network.{name}" for name in sizes)]


def parse_setting(text: str) -> tuple[str, list[Any]]:
    """Read a setting as the command line has it, such as ``"learning_rate=1e-3,3e-3"``.

    Raises:
        ValueError: if it is not of that form.
    """
    name, equals, values = text.partition("=")
    if not (name and equals and values):
        raise ValueError(f"--set: expected NAME=VALUE[,VALUE...], got {text!r}")
    constants = {"none": None, "true": True, "false": False}
    try:
        return name, list(ast.literal_eval(f"[{values}]"))
    except (ValueError, SyntaxError):
        return name, [_literal(word, constants) for word in values.split(",")]


def _literal(word: str, constants: dict[str, Any]) -> Any:
    try:
        return ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return constants.get(word.lower(), word)


def _with_settings(plan: Recipe, settings: dict[str, Any]) -> Recipe:
    network, training = dict(plan.network), dict(plan.training)
    for name, value in settings.items():
        if name.startswith("network."):
            network[name.removeprefix("network.")] = value
        else:
            training[name] = value
    return replace(plan, network=network, training=training)


def carry_out(
    wanted: Sequence[Run],
    folder: str | Path,
    *,
    jobs: int = 1,
    dask: str | None = None,
    compile: bool = False,
    progress: bool = True,
) -> list[Result]:
    """Do the runs that have no result yet, several at a time, and return the results of all.

    Every run has one thread, and a process of its own where ``jobs`` is more than 1. Its result
    is written when it ends, and its weights beside it. If anything stops the work, the same call
    goes on from the last validations.

    Args:
        wanted: from ``runs``.
        folder: where results, weights and checkpoints lie.
        jobs: how many runs at a time.
        dask: the address of a Dask cluster to run them on instead. Its workers need this package,
            one thread each, and checkpoints survive them only in a folder that they share.
        compile: compile an NTM's steps, as ``train`` does.
        progress: show a progress bar over the runs.

    Raises:
        ValueError: if a result in the folder came from other settings, or the cluster cannot do it.
    """
    check_positive(jobs=jobs)
    folder = Path(folder).resolve()
    left = [run for run in wanted if _result_of(run, folder) is None]
    with (
        _workers(jobs, dask) as parallel,
        tqdm(total=len(wanted), initial=len(wanted) - len(left), unit=" runs",
             disable=not progress, dynamic_ncols=True) as bar,
    ):  # fmt: skip
        bar.refresh()
        for run, result, weights in parallel(
            delayed(perform)(run, folder, compile=compile) for run in left
        ):
            _keep(run, result, weights, folder)
            bar.update()
    return [result for run in wanted if (result := _result_of(run, folder)) is not None]


@contextmanager
def _workers(jobs: int, dask: str | None) -> Iterator[Parallel]:
    """Give the processes, here or on a cluster, that runs are handed to."""
    if dask is None:
        yield Parallel(jobs, return_as="generator_unordered", batch_size=1)
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError("dask: it is not installed; pip install 'ntm-tutorial[dask]'") from error
    try:
        client = Client(dask, timeout=10, set_as_default=False)
    except OSError as error:
        raise ValueError(f"dask: no cluster answers at {dask}") from error
    with client:
        threads = client.nthreads()
        if not threads or max(threads.values()) > 1:
            raise ValueError(
                "dask: expected workers with one thread each, because a run counts its process's "
                f"time; got threads {sorted(threads.values())}: dask worker --nthreads 1 ..."
            )
        with parallel_config(backend="dask", client=client):
            yield Parallel(return_as="generator_unordered", batch_size=1)


def perform(
    run: Run, folder: Path, *, compile: bool = False
) -> tuple[Run, Result, dict[str, Tensor] | None]:
    """Train and test one model, and return its result and its weights; a worker calls this.

    Where the gradient stopped being finite there are no weights.
    """
    checkpoint = folder / f"{run.name}.checkpoint"
    resumed, start = checkpoint.exists(), time.perf_counter()
    history, error, scores = History(), None, []
    with _one_thread():
        model = run.plan.build(run.seed)
        try:
            history = train(
                model, TASKS[run.plan.task], **run.plan.training, seed=run.seed,
                compile=compile, progress=False, checkpoint=checkpoint,
            )  # fmt: skip
            scores = score(model, run.plan.task)
        except FloatingPointError as failure:
            error = str(failure)
            if checkpoint.exists():
                history = History(**storage.load(checkpoint)[1]["history"])
    result = Result(
        task=run.plan.task,
        model=run.plan.model,
        live=run.live,
        settings=run.settings,
        seed=run.seed,
        command=run.command(compiled=compile),
        outcome="finished" if error is None else "not finite",
        error=error,
        scores=scores,
        optimum=_validation_optimum(run),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        history=history,
        wall_seconds=None if resumed else round(time.perf_counter() - start, 1),
        compiled=compile and isinstance(model, NTM),
        recipe=_recipe_of(run),
        machine={"processor": processor(), "threads": 1},
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "ntm-tutorial": version("ntm-tutorial"),
        },
    )
    return run, result, None if error else model.state_dict()


def score(
    model: nn.Module, task_name: str, sequences: int = TEST_SEQUENCES
) -> list[dict[str, Any]]:
    """Test a model on fresh sequences of each difficulty in ``SCORING``."""
    task, scores = TASKS[task_name], []
    for difficulty in SCORING[task_name].tests:
        found = evaluate(model, task, sequences=sequences, **difficulty)
        scores.append(
            {
                "difficulty": difficulty,
                "sequences": sequences,
                "bits_asked": round(found.asked.double().mean().item(), 2),
                "mean_bits": _significant(found.mean_bits),
                "mean_wrong": _significant(found.mean_wrong),
                "median_wrong": found.median_wrong,
                "share_perfect": _significant(found.share_perfect),
            }
        )
        if task_name == "dynamic-ngrams":
            best = evaluate(Optimal(), task, sequences=sequences, **difficulty)
            scores[-1]["optimum_bits"] = _significant(best.mean_bits)
    return scores


class Optimal(nn.Module):
    """The optimal predictions of the N-grams, Eq. 10, called like a trained model."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.empty(0))  # tells evaluate the device

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        """Return the logits (T, B, 1) for the bits (T, B, 1)."""
        return optimal_predictions(inputs.squeeze(-1)).logit().unsqueeze(-1), None


def _validation_optimum(run: Run) -> float:
    """Return what the optimum costs on the validation sequences of a run."""
    if run.plan.task != "dynamic-ngrams":
        return 0.0
    defaults = {name: about.default for name, about in inspect.signature(train).parameters.items()}
    settings = defaults | run.plan.training
    episode = TASKS[run.plan.task].sample(
        settings["validation_sequences"],
        generator=torch.Generator().manual_seed(SEEDS + run.seed),
        **(settings["validation_difficulty"] or {}),
    )
    logits, _ = Optimal()(episode.inputs)
    return _significant(bits_per_sequence(logits, episode).mean().item())


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread, and no numbers too small to be computed with at full speed."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)


def processor() -> str:
    """Return the name of the processor's model."""
    try:
        about = Path("/proc/cpuinfo").read_text()
    except OSError:
        about = ""
    found = re.search(r"model name\s*: (.+)", about)
    return found[1] if found else platform.processor() or platform.machine()


def _recipe_of(run: Run) -> dict[str, Any]:
    """Return all settings as JSON has them."""
    plan = run.plan
    settings = {"network": plan.network, "training": plan.training, "input_gain": plan.input_gain}
    return json.loads(json.dumps(settings))


def _result_of(run: Run, folder: Path) -> Result | None:
    """Return the result of a run, if it has one."""
    path = folder / f"{run.name}.json"
    if not path.is_file():
        return None
    result = Result.read(path)
    if result.recipe != _recipe_of(run):
        wanted = _recipe_of(run)
        names = [
            f"{name}.{key}"
            for name in wanted
            for key in wanted[name].keys() | result.recipe[name].keys()
            if wanted[name].get(key) != result.recipe[name].get(key)
        ]
        raise ValueError(
            f"{path} came from another {', '.join(sorted(names))}; use another folder, or remove it"
        )
    return result


def _keep(run: Run, result: Result, weights: dict[str, Tensor] | None, folder: Path) -> None:
    """Write what a run gave: the weights first, because the result says that it is done."""
    if weights is not None:
        model = run.plan.build(run.seed)
        model.load_state_dict(weights)
        path = folder / f"{run.name}.safetensors"
        pretrained.save_file(path, model, run.plan, result.history, run.seed)
    result.write(folder / f"{run.name}.json")
    (folder / f"{run.name}.checkpoint").unlink(missing_ok=True)


def results(folder: str | Path) -> list[Result]:
    """Read all files of results under a folder, in the order of their names.

    Raises:
        ValueError: if one is damaged.
    """
    return [Result.read(path) for path in sorted(Path(folder).rglob("seed-*.json"))]


def expected_seconds(wanted: Sequence[Run], folder: str | Path) -> float | None:
    """Estimate the processor seconds that the runs without a result will take.

    The estimate comes from what runs of the same task and model took, in the folder or else those
    of the models that come with the package; where neither has any, there is none.

    Raises:
        ValueError: if a file of results is damaged or came from other settings.
    """
    folder, total = Path(folder).resolve(), 0.0
    done = results(folder)
    for run in wanted:
        if _result_of(run, folder) is not None:
            continue
        pair = (run.plan.task, run.plan.model)
        earlier = [one.history for one in done if (one.task, one.model) == pair]
        if not earlier and pair in pretrained.available():
            earlier = [pretrained.load(*pair).history]
        pace = [one.seconds[-1] / one.sequences[-1] for one in earlier if one.sequences]
        if not pace:
            return None
        total += statistics.median(pace) * run.plan.training["sequences"]
    return total


@dataclass(frozen=True)
class Summary:
    """All results of one setting together.

    Attributes:
        setting: as ``Run.setting``.
        task: its name.
        runs: how many.
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
    runs: int
    solved: int
    not_finite: int
    relapses: int
    sequences: list[int]
    seconds: list[float]
    scores: dict[str, list[float]]


def summarize(found: Sequence[Result]) -> list[Summary]:
    """Put the results of each setting together."""
    summaries = []
    for setting, group in itertools.groupby(
        sorted(found, key=lambda one: one.setting), key=lambda one: one.setting
    ):
        here = list(group)
        scores: dict[str, list[float]] = {}
        for test in (test for one in here for test in one.scores):
            name = " x ".join(map(str, test["difficulty"].values()))
            if "optimum_bits" in test:
                value = test["mean_bits"] - test["optimum_bits"]
            else:
                value = test["mean_wrong"]
            scores.setdefault(name, []).append(value)
        summaries.append(
            Summary(
                setting,
                here[0].task,
                runs=len(here),
                solved=sum(one.solved is not None for one in here),
                not_finite=sum(one.outcome == "not finite" for one in here),
                relapses=sum(one.relapses for one in here),
                sequences=sorted(one.solved for one in here if one.solved is not None),
                seconds=sorted(
                    one.seconds_to_solve for one in here if one.seconds_to_solve is not None
                ),
                scores=scores,
            )
        )
    return summaries


def spread(values: Sequence[float], form: str = ".4g") -> str:
    """Write the median of some numbers with their range, such as ``"3 (1-12)"``."""
    if not values:
        return "-"
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({low:{form}}-{high:{form}})"


def duration(seconds: float) -> str:
    """Say how long something takes, such as ``"40 s"``, ``"12 min"`` or ``"3.5 h"``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def measure(task_name: str) -> str:
    """Say what the scores of a summary count."""
    if task_name == "dynamic-ngrams":
        return "bits above the optimum"
    return "wrong bits per sequence"


def _rounded(values: list[Any]) -> list[Any]:
    return [_significant(value) for value in values]


def _significant(value: float) -> float:
    """Keep five digits, so that a file stays small."""
    return float(f"{value:.5g}") if isinstance(value, float) and math.isfinite(value) else value
