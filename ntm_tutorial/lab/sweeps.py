"""Many runs of a recipe, from many seeds and with other settings, several at a time.

A run that has its file of results is done; one that was cut short goes on from its checkpoint. So
the same call, made again, finishes what a first one began.
"""

import ast
import itertools
import json
import logging
import os
import platform
import re
import shlex
import statistics
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch
from joblib import Parallel, delayed, parallel_config
from torch import nn
from torch.utils._pytree import tree_leaves
from tqdm.auto import tqdm

from ntm_tutorial import pretrained, storage
from ntm_tutorial.checks import UNTOLD, check_positive, plain, telling
from ntm_tutorial.evaluation import check_seed
from ntm_tutorial.lab import results
from ntm_tutorial.lab.results import Result
from ntm_tutorial.models import SequenceModel, family
from ntm_tutorial.recipes import Recipe, recipe
from ntm_tutorial.settings import DEFAULTS, NAMES
from ntm_tutorial.speed.compiling import NotCompiled
from ntm_tutorial.tasks import ALL_TASKS
from ntm_tutorial.training import History, check_run

LARGEST = 10**9
"""Numbers in a model, and in the state of one sequence."""

TIMEOUT = 10
"""Seconds to wait for a Dask cluster's first word."""


@dataclass(frozen=True)
class Run:
    """A recipe to train, from one seed.

    Attributes:
        plan: the recipe, in which ``settings`` have replaced its own.
        seed: decides the start and every random draw.
        live: whether it is the quick recipe for copy, ``LIVE``.
        settings: what replaces the recipe's own settings, by name.
    """

    plan: Recipe
    seed: int
    live: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def setting(self) -> str:
        """Tell this run's settings from others', as a folder's name."""
        return results.setting_of(self.plan.task, self.plan.model, self.live, self.settings)

    @property
    def name(self) -> str:
        """Where its files lie in the folder of results, without their endings."""
        return f"{self.setting}/seed-{self.seed:02}"

    @property
    def recipe(self) -> dict[str, Any]:
        """All its settings, as JSON has them."""
        names = ("network", "training", "input_gain")
        return json.loads(json.dumps({name: self.plan.describe()[name] for name in names}))

    def command(self, *, compile: bool = False) -> str:
        """Return the command that does this run alone."""
        words = ["ntm-tutorial", "sweep", self.plan.task, self.plan.model, "--live" * self.live]
        if self.settings:
            words += ["--set", *(f"{name}={value}" for name, value in self.settings.items())]
        words += ["--seeds", "1", "--first-seed", str(self.seed), "--compile" * compile]
        return shlex.join(word for word in words if word)


@telling
def runs(
    task_name: str,
    model_name: str,
    *,
    seeds: Iterable[int],
    live_recipe: bool = False,
    settings: Mapping[str, Sequence[Any]] | None = None,
) -> list[Run]:
    """List the runs of a sweep: every seed with every combination of settings.

    Args:
        task_name: such as ``"copy"``.
        model_name: a name in ``FAMILIES``, such as ``"ntm-lstm"``.
        seeds: one run each.
        live_recipe: take the quick recipe, ``LIVE``, which is for copy.
        settings: by name, the values to try: keyword arguments of ``train``, or of the network as
            in ``"network.memory_locations"``, or the recipe's input gains as in ``"gain.repeats"``.

    Raises:
        ValueError: if there is no such recipe, setting or seed.
    """
    plan = recipe(task_name, model_name, live=live_recipe)
    settings, sizes = settings or {}, [f"network.{one}" for one in family(plan.model).sizes]
    allowed = [*NAMES, *sizes, *(f"gain.{one}" for one in plan.input_gain)]
    for name in settings:
        if name not in allowed:
            raise ValueError(
                f"settings (--set): expected one of {', '.join(allowed)}, got {name!r}"
            )
    found = []
    for values in itertools.product(*settings.values()):
        chosen = dict(zip(settings, map(plain, values), strict=True))
        for seed in seeds:
            found.append(Run(_with_settings(plan, chosen), check_seed(seed), live_recipe, chosen))
    return found


@telling
def check(run: Run) -> None:
    """Refuse settings with which nothing can be trained, before a run begins.

    Raises:
        ValueError: naming the setting.
    """
    with blaming("--set", run.settings):
        with torch.device("meta"):  # sizes alone
            model = run.plan.build()
            state = tree_leaves(cast(SequenceModel, model).initial_state(1))
        size = sum(tensor.numel() for tensor in (*model.parameters(), *state))
        if size > LARGEST:
            raise ValueError(f"a model of {size:,} numbers; at most {LARGEST:,} fit")
        check_run(model, ALL_TASKS[run.plan.task], run.plan.settings)


@contextmanager
def blaming(option: str, settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Put an option, and what it was set to, before the words with which it is refused.

    Raises:
        ValueError: in those words.
    """
    try:
        yield
    except (*UNTOLD, OSError) as error:
        asked = [option, *(f"{name}={value!s:.40}" for name, value in (settings or {}).items())]
        said = str(error).removeprefix("path: ").splitlines()[0]
        raise ValueError(f"{' '.join(asked)}: {said}") from error


@telling
def parse_setting(text: str) -> tuple[str, list[Any]]:
    """Read a setting as the command line has it, such as ``"learning_rate=1e-3,3e-3"``.

    Raises:
        ValueError: if it is not of that form.
    """
    name, _, values = text.partition("=")
    if not (name and values):
        raise ValueError(f"--set: expected NAME=VALUE or NAME=VALUE,VALUE,..., got {text!r}")
    try:
        return name, list(ast.literal_eval(f"[{values}]"))
    except (ValueError, SyntaxError):  # words without quotes
        return name, [_parse_value(word) for word in values.split(",")]


def _parse_value(word: str) -> Any:
    try:
        return ast.literal_eval(word.capitalize() if word in ("none", "true", "false") else word)
    except (ValueError, SyntaxError):
        return word


def _with_settings(plan: Recipe, settings: dict[str, Any]) -> Recipe:
    changes: dict[str, Any] = {"network": {}, "input_gain": {}}
    groups = {"network": changes["network"], "gain": changes["input_gain"]}
    for name, value in settings.items():
        group, _, own = name.rpartition(".")
        groups.get(group, changes)[own] = value
    with blaming("--set", settings):
        return plan.but(**changes)


@telling
def carry_out(
    wanted: Sequence[Run],
    folder: str | Path,
    *,
    jobs: int = 1,
    dask: str | None = None,
    compile: bool = False,
    device: torch.device | str = "cpu",
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
        dask: the address of a Dask cluster to run them on instead. Its workers need this package
            and one thread each. Results are written here; checkpoints survive a worker only in a
            folder that all workers share.
        compile: compile an NTM's steps, as ``train`` does.
        device: where the models are trained, such as ``"cuda"``.
        progress: show a progress bar over the runs.

    Raises:
        ValueError: if a result in the folder came from other settings, or if there is no such
            cluster.
    """
    check_positive(jobs=jobs)
    folder = Path(folder).resolve()
    left = [run for run in wanted if result_of(run, folder) is None]
    done = len(wanted) - len(left)
    bars = progress and jobs == 1 and dask is None  # a bar for each run, if it runs here
    with (
        _workers(jobs, dask) as parallel,
        tqdm(total=len(wanted), initial=done, unit=" runs", disable=not progress) as bar,
    ):
        calls = (delayed(_perform)(run, folder, compile, bars, device) for run in left)
        for run, result, model in parallel(calls):
            if model is not None:  # first the weights, because the result says that it is done
                path = folder / f"{run.name}.safetensors"
                pretrained.save_file(path, model, run.plan, result.history, run.seed)
            result.write(folder / f"{run.name}.json")
            if model is not None:
                (folder / f"{run.name}.checkpoint").unlink(missing_ok=True)
            bar.update()
    return [result for run in wanted if (result := result_of(run, folder)) is not None]


@contextmanager
def _workers(jobs: int, dask: str | None) -> Iterator[Parallel]:
    """Give the processes, here or on a cluster, that runs are handed to."""
    if dask is None:
        with parallel_config(backend="loky", initializer=_stop_with, initargs=(os.getpid(),)):
            yield Parallel(jobs, return_as="generator_unordered", batch_size=1)
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError("dask: not installed; pip install 'ntm-tutorial[dask]'") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # the sentence below says it all
    try:
        client = Client(dask, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"dask: no cluster answers at {dask!r}") from error
    with client, parallel_config(backend="dask", client=client):
        threads = client.nthreads().values()
        if max(threads, default=0) != 1:  # a run counts the time of its process
            raise ValueError(
                "dask: expected workers of one thread each, as `dask worker --nthreads 1` starts, "
                f"got {sorted(threads)} threads"
            )
        yield Parallel(return_as="generator_unordered", batch_size=1)


def _stop_with(parent: int) -> None:
    """Let this process end within seconds of the one that started it, even if that was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _perform(
    run: Run, folder: Path, compile: bool, progress: bool, device: torch.device | str
) -> tuple[Run, Result, nn.Module | None]:
    """Train and test one model in a worker.

    Where the gradient was not finite there is no model.
    """
    checkpoint = folder / f"{run.name}.checkpoint"
    resumed, start = checkpoint.exists(), time.perf_counter()
    model, error, scores = run.plan.build(run.seed).to(device), None, list[dict[str, Any]]()
    with using_threads(1), warnings.catch_warnings(record=True) as said:
        try:
            history = run.plan.train(
                model, seed=run.seed, compile=compile, progress=progress, checkpoint=checkpoint
            )  # fmt: skip
            scores = results.score(model, run.plan.task)
        except FloatingPointError as failure:
            error = str(failure)
            saved = storage.load(checkpoint)[1]["history"] if checkpoint.exists() else {}
            history = History(**saved)
    for warning in said:
        warnings.warn(warning.message, stacklevel=2)
    eager = any(issubclass(warning.category, NotCompiled) for warning in said)
    seconds = round(time.perf_counter() - start, 1)
    result = Result(
        task=run.plan.task,
        model=run.plan.model,
        live=run.live,
        settings=run.settings,
        seed=run.seed,
        command=run.command(compile=compile),
        outcome="finished" if error is None else "not finite",
        error=error,
        scores=scores,
        optimum=results.validation_optimum(run.plan, run.seed),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        history=history,
        wall_seconds=None if resumed else seconds,
        compiled=compile and family(run.plan.model).compiles and not eager,
        recipe=run.recipe,
        machine={"processor": processor(torch.device(device)), "threads": 1},
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "ntm-tutorial": version("ntm-tutorial"),
        },
    )
    return run, result, model.cpu() if error is None else None


@contextmanager
def using_threads(threads: int) -> Iterator[None]:
    """Use so many threads, and no numbers so small that a processor computes with them slowly."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)


def processor(device: torch.device | None = None) -> str:
    """Return the name of the processor's model, or of another device's."""
    if device is not None and device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


@telling
def result_of(run: Run, folder: str | Path) -> Result | None:
    """Return the result of a run, if the folder has it.

    Raises:
        ValueError: if it came from other settings.
    """
    path = Path(folder) / f"{run.name}.json"
    if not path.is_file():
        return None
    result = Result.read(path)
    for part, wanted in run.recipe.items():
        was = result.recipe.get(part, {})
        for name in sorted(wanted.keys() | was.keys()):
            usual = DEFAULTS.get(name)
            here, there = wanted.get(name, usual), was.get(name, usual)
            if here != there:
                raise ValueError(
                    f"{path} was made with {name}={there!r}, not {here!r}; "
                    "use another folder, or remove it to run it anew"
                )
    return result


@telling
def expected_seconds(wanted: Sequence[Run], folder: str | Path) -> list[float | None]:
    """Estimate how much processor time each run will still take; 0 if it has its result.

    It is judged by runs of the same task and model, in the folder or else of the models that
    come with the package; where there are none, nothing is known.

    Raises:
        ValueError: if a result came from other settings, or its file is damaged.
    """
    paces: dict[tuple[str, str], list[float]] = {}
    histories = [((one.task, one.model), one.history) for one in results.load(folder)]
    here = {pair for pair, _ in histories}
    for pair in {(run.plan.task, run.plan.model) for run in wanted} - here:
        if pair in pretrained.available():
            histories.append((pair, pretrained.load(*pair).history))
    for pair, history in histories:
        if history.sequences:
            paces.setdefault(pair, []).append(history.seconds[-1] / history.sequences[-1])
    left: list[float | None] = []
    for run in wanted:
        pace = paces.get((run.plan.task, run.plan.model))
        whole = statistics.median(pace) * run.plan.training["sequences"] if pace else None
        left.append(whole if result_of(run, folder) is None else 0.0)
    return left
