"""Measure training: ``make bench``. Chapter 17 draws on the file that this writes.

An update is always the same: copy at length 20, forward, backward, clipping, optimiser. The memory
steps that come before the package's own on the chapter's ladder are taken from its notebook.
"""

import argparse
import copy
import json
import os
import platform
import re
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.profiler import ProfilerActivity, profile

from ntm_tutorial import storage
from ntm_tutorial.lab.results import FOLDER, spread
from ntm_tutorial.lab.sweeps import processor, using_threads
from ntm_tutorial.models import FAMILIES
from ntm_tutorial.recipes import MODELS, recipe
from ntm_tutorial.speed import compiling
from ntm_tutorial.tasks.copy import Copy
from tools.links import ROOT
from tools.seeds import chapter

CHAPTER = ROOT / "notebooks" / "17_making_it_fast.ipynb"
FILE = FOLDER / "bench.json"
LENGTH = 20
BATCHES = (1, 16, 64)
THREADS = (1, 2)
RUNGS = ("looped", "batched", "by hand", "compiled", "4 steps a call", "from C++")
"""The chapter's ladder, climbed by the feed-forward NTM at batch 16."""
LARGE = 1024
"""Rows and columns of the matrices whose product shows what the processor can do."""
KINDS = ("products", "merged", "others")
"""Work: products of matrices, operations merged by the compiler, all others."""
PROFILED = 3
"""So many updates."""
INTERRUPTED = 1000.0
"""An operation that seems to take more microseconds had to wait for another program."""
COMPILE_SECONDS = 30
"""What compiling takes, more or less."""

LINE = "{:20} {:>5} {:>7} {:15} {:>24} {:>24}"
UNITS = {
    "operations": "thousand operations a second",
    "products": "billion multiply-adds a second",
    "passes": "billion numbers a second",
}
Rates = dict[str, list[float]]
Update = Callable[[], object]


@dataclass(frozen=True)
class Effort:
    """How much to measure: so many repeats of so many processor seconds, after a warm-up."""

    repeats: int = 5
    seconds: float = 0.5
    warm_up: int = 3

    def rates(self, work: Update, amount: float) -> Rates:
        """Return how much gets done in a second of the processor, and of the clock on the wall.

        Args:
            work: is done over and over.
            amount: how much one call gets done.
        """
        for _ in range(self.warm_up):
            work()
        found: Rates = {"processor": [], "wall": []}
        for _ in range(self.repeats):
            calls, spent = 0, 0.0
            start, wall = time.process_time(), time.perf_counter()
            while spent < self.seconds:
                work()
                calls, spent = calls + 1, time.process_time() - start
            found["processor"].append(_short(calls * amount / spent))
            found["wall"].append(_short(calls * amount / (time.perf_counter() - wall)))
        return found


THOROUGH, QUICK = Effort(), Effort(repeats=1, seconds=0.1, warm_up=1)


@dataclass(frozen=True)
class Setting:
    """What a throughput is measured of."""

    model: str
    batch: int
    threads: int
    compiled: bool


def settings(models: Sequence[str], batches: Sequence[int], most_threads: int) -> list[Setting]:
    """List what to measure. The LSTM is one fused call already: it has no steps to compile."""
    return [
        Setting(model, batch, threads, compiled)
        for model in models
        for threads in THREADS
        if threads <= most_threads
        for compiled in ((False, True) if FAMILIES[model].compiles else (False,))
        for batch in batches
    ]


def minutes(chosen: Sequence[Setting], whole: bool, effort: Effort) -> float:
    """Estimate how long it all takes."""
    measured = len(chosen) + (len(RUNGS) + 4) * whole
    compiled = sum(setting.compiled for setting in chosen) + 8 * whole
    return (measured * 1.5 * effort.repeats * effort.seconds + compiled * COMPILE_SECONDS) / 60


def make_update(model: nn.Module, batch: int, length: int = LENGTH) -> Update:
    """Return a function that trains the model on one batch."""
    task, generator = Copy(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def update() -> None:
        episode = task.sample(batch, length=length, generator=generator)
        logits, _ = model(episode.inputs)
        answers, targets = logits[episode.mask], episode.targets[episode.mask]
        loss = binary_cross_entropy_with_logits(answers, targets, reduction="sum") / batch
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 10.0)
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()

    return update


def throughput(setting: Setting, effort: Effort) -> dict[str, Any]:
    """Measure sequences per second, as ``train`` does them, and how long the first batch takes."""
    model = recipe("copy", setting.model).build()
    steps = compiling.compiled(model, setting.batch) if setting.compiled else nullcontext(model)
    with using_threads(setting.threads), steps as run:
        update = make_update(run, setting.batch)
        start = time.perf_counter()
        update()
        first = _short(time.perf_counter() - start)
        return {"first_seconds": first} | effort.rates(update, setting.batch)


def rung(name: str, effort: Effort, batch: int = 16) -> dict[str, Any]:
    """Measure one rung of the ladder: its rate, and the work in it."""
    model = recipe("copy", "ntm-feedforward").build()
    with using_threads(1):
        with _on(name, model, batch) as run:
            rates = effort.rates(make_update(run, batch), batch)
        # Compiled code names its parts only if asked to, which slows it down.
        with _on(name, model, batch, {"cpp.enable_kernel_profile": True}) as run:
            return rates | {"work": profiled(run, batch, 1 if name == "looped" else LENGTH)}


def _on(
    name: str, model: nn.Module, batch: int, options: dict[str, Any] | None = None
) -> AbstractContextManager[Any]:
    """Bring a model onto a rung; yield what runs it there."""
    if name in ("looped", "batched"):
        run = copy.copy(model)  # with the same weights
        run.memory_step = chapter(CHAPTER, {"ladder"})[f"{name}_step"]
        return nullcontext(run)
    if name == "by hand":
        return nullcontext(model)
    steps = 1 if name == "compiled" else compiling.COMPILED_STEPS
    ours = compiling.options() if name == RUNGS[-1] else {"cpp_wrapper": False}
    return _compiled(model, batch, steps, ours | (options or {}))


@contextmanager
def _compiled(model: nn.Module, batch: int, steps: int, options: dict[str, Any]) -> Iterator[Any]:
    """Compile in another way than the package does."""
    as_ever = torch.compile
    with (
        patch.object(compiling, "COMPILED_STEPS", steps),
        patch("torch.compile", lambda f, **_: as_ever(f, dynamic=False, options=options)),
        compiling.compiled(model, batch) as run,
    ):
        yield run


def profiled(model: nn.Module, batch: int, length: int) -> dict[str, dict[str, float]]:
    """Say how many microseconds of a step are work of each kind, and in how many pieces.

    What an operation takes on a single number is no work, but its start.
    """
    x, update = torch.ones(1), make_update(model, batch, length)
    update()
    start = median(_times(lambda: [x.neg() for _ in range(1000)], 1)["aten::neg"])
    steps = PROFILED * (2 * length + 1)
    found = {kind: {"microseconds": 0.0, "pieces": 0.0} for kind in KINDS}
    for name, times in _times(update, PROFILED).items():
        if kind := _kind(name):
            middle = median(times)  # instead of what another program interrupted
            times = [time if time < INTERRUPTED else middle for time in times]
            if kind == "others":
                times = [time - start for time in times if time > start]
            found[kind]["microseconds"] += sum(times) / steps
            found[kind]["pieces"] += len(times) / steps
    return {kind: {k: _short(v) for k, v in entry.items()} for kind, entry in found.items()}


def _times(work: Update, calls: int) -> dict[str, list[float]]:
    """Return the microseconds of every operation, by name."""
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler:
        for _ in range(calls):
            work()
    found = defaultdict[str, list[float]](list)
    for event in profiler.events() or ():
        found[event.name].append(event.self_cpu_time_total)
    return found


def _kind(event: str) -> str | None:
    """Tell products of matrices, operations that were merged, and others; the rest is no work."""
    if "cpp_fused" in event:
        return "merged"
    if event.removesuffix("_").removesuffix("_out").endswith(("mm", "baddbmm")):
        return "products"
    return "others" if event.startswith("aten::") else None


def speeds(effort: Effort) -> dict[str, Any]:
    """Measure the machine: thousands of operations, and billions of multiply-adds or numbers."""
    x, w = torch.ones(1), torch.ones(1, requires_grad=True)
    a, b, c = (torch.randn(LARGE, LARGE) for _ in range(3))
    one, two, three = (torch.ones(16, 128, 20) for _ in range(3))  # memories
    product, multiplied = partial(torch.mm, a, b, out=c), partial(torch.mul, one, two, out=three)
    return {
        "operations": {
            "plain": effort.rates(lambda: _negated(x, 100), 0.1),
            "recorded, and back": effort.rates(lambda: _negated(w, 100).backward(), 0.1),
        },
        "products": {"large": effort.rates(product, 1e-9 * LARGE**3)},
        "passes": {"batch 16": effort.rates(multiplied, 1e-9 * one.numel())},
    }


def _negated(x: Tensor, times: int) -> Tensor:
    for _ in range(times):
        x = -x
    return x


def _short(value: float) -> float:
    """Keep four digits, so that the file stays small."""
    return float(f"{value:.4g}")


def measure(chosen: Sequence[Setting], whole: bool, effort: Effort) -> dict[str, Any]:
    """Measure, print each number when it is there, and return what the file holds."""
    found: dict[str, Any] = {
        "command": "make bench",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__.partition("+")[0],
            "ntm-tutorial": version("ntm-tutorial"),
        },
        "throughput": [],
    }
    print(LINE.format("sequences per second", "batch", "threads", "", "of the processor", "clock"))
    for setting in chosen:
        rates = throughput(setting, effort)
        found["throughput"].append(vars(setting) | rates)
        way = "compiled" if setting.compiled else "eager"
        _print(setting.model, setting.batch, setting.threads, way, rates)
    if whole:
        found["ladder"] = {}
        for name in RUNGS:
            found["ladder"][name] = rates = rung(name, effort)
            _print("ntm-feedforward", 16, 1, name, rates)
        with using_threads(1):
            found["speeds"] = speeds(effort)
        for group, entries in found["speeds"].items():
            for name, rates in entries.items():
                print(f"{UNITS[group]}, {name}: {spread(rates['processor'])}")
    return found


def _print(model: str, batch: int, threads: int, way: str, rates: dict[str, Any]) -> None:
    columns = (spread(rates[clock], ".0f") for clock in ("processor", "wall"))
    print(LINE.format(model, batch, threads, way, *columns), flush=True)


def write(found: dict[str, Any], path: Path) -> None:
    """Write the file, a measurement a line."""
    text = json.dumps(found, indent=1)
    text = re.sub(r"\n {3,}|\n {2}(?=[\]}])", " ", text)  # what lies deeper, all on one line
    storage.write_text(path, re.sub(r"(?<=[\[{]) | (?=[\]}])", "", text) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make bench, or tools/bench.py", description=__doc__)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL")
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES, metavar="SIZE")
    parser.add_argument("--eager", action="store_true", help="compile nothing")
    parser.add_argument("--quick", action="store_true", help="measure each once, for a moment")
    parser.add_argument(
        "--output", type=Path, metavar="FILE",
        help=f"write this file (default: the package's {FILE.name}, if nothing is left out)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    cores = os.cpu_count() or 1
    chosen = [
        setting
        for setting in settings(options.models, options.batches, cores)
        if not (options.eager and setting.compiled)
    ]
    effort = QUICK if options.quick else THOROUGH
    whole = chosen == settings(MODELS, BATCHES, cores)
    output = options.output or (FILE if whole and effort is THOROUGH else None)
    print(f"About {minutes(chosen, whole, effort):.0f} minutes on an idle machine.", flush=True)
    warnings.simplefilter("error", compiling.NotCompiled)
    with TemporaryDirectory() as folder, patch.dict(os.environ, TORCHINDUCTOR_CACHE_DIR=folder):
        try:
            found = measure(chosen, whole, effort)  # with no code left from earlier runs
        except compiling.NotCompiled as missing:
            sys.exit(f"{missing}\nTo measure without: --eager")
    if output is None:
        print("A part only, or in a hurry: nothing was written.")
    else:
        write(found, output)
        print(f"Written: {output}")


if __name__ == "__main__":
    main()
