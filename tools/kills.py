"""Kill trainings, and show that what goes on from their checkpoints ends bit for bit as unbroken.

    python tools/kills.py             every recipe, made small, killed after each of 4 validations
    python tools/kills.py --chain     each run killed after all of them, one after the other
    python tools/kills.py --tasks copy    the recipes of one task, or of several

A kill is a SIGKILL that the process sends itself while it draws the second batch after a
validation, so that some work is lost.
"""

import argparse
import copy
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # noqa: F401 - which optimisers would import in every child

from ntm_tutorial import storage
from ntm_tutorial.models import family
from ntm_tutorial.recipes import ALL_RECIPES, LIVES, Recipe
from ntm_tutorial.tasks import ALL_TASKS, Episode, Task
from ntm_tutorial.training import History, train

KILLS = 4
"""So many validations are followed by a kill; one more ends the run."""
BATCH, EVERY = 4, 16
LATER = 2
"""The batch after a validation that a kill interrupts."""


def small(plan: Recipe) -> Recipe:
    """Shrink a recipe to a second of work in which all that it does still happens."""
    sizes = {"controller_size": 8, "memory_locations": 8, "hidden_size": 6}
    known = family(plan.model).sizes
    network = {name: size for name, size in sizes.items() if name in known}
    changes: dict[str, Any] = {
        "ramp": 2 * EVERY, "harden_after": 2 * EVERY, "memory_sizes": [4, 8],
        "hold_at": 1e6, "settle_at": 1e6, "stop_at": None, "validation_difficulty": None,
    }  # fmt: skip
    changes = {name: value for name, value in changes.items() if plan.training.get(name)}
    return plan.but(
        network=network, sequences=(KILLS + 1) * EVERY, batch_size=BATCH,
        validate_every=EVERY, validation_sequences=3, **changes,
    )  # fmt: skip


def brief(task: Task) -> Task:
    """Return the task with a short training range."""
    task = copy.copy(task)
    limits = {("dynamic-ngrams", "length"): (9, 9), ("priority-sort", "items"): (3, 4),
              ("priority-sort", "answers"): (2, 3)}  # fmt: skip
    task.training_range = {
        name: limits.get((task.name, name), (low, min(high, low + 2)))
        for name, (low, high) in task.training_range.items()
    }
    return task


def run(plan: Recipe, folder: Path, kill_after: int | None = None) -> None:
    """Train in a child, which is killed after a validation, or writes what it has at its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _train(plan, folder, kill_after)
            status = 0
        except Exception:  # which pytest or a caller would never hear of
            traceback.print_exc()
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if killed != (kill_after is not None) or (status and not killed):
        raise RuntimeError(f"{plan.task} {plan.model}: the child ended with status {status}")


def _train(plan: Recipe, folder: Path, kill_after: int | None) -> None:
    torch.set_num_threads(1)
    task, model = brief(ALL_TASKS[plan.task]), plan.build(0)
    plain, left = task.sample, -1

    def sample(*arguments: Any, **keywords: Any) -> Episode:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(*arguments, **keywords)

    def validated(history: History) -> None:
        nonlocal left
        if len(history.sequences) == kill_after:
            left = LATER

    task.sample = sample  # type: ignore[method-assign]
    history = train(
        model, task, **vars(plan.settings), seed=0, progress=False,
        checkpoint=folder / "checkpoint", on_validation=validated,
    )  # fmt: skip
    history.seconds = []
    storage.save(folder / "end", model.state_dict(), vars(history))


def same_end(plan: Recipe, whole: Path, kills: Iterable[int]) -> bool:
    """Tell whether a run that is killed after these validations ends as the one that was not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kill in kills:
            run(plan, folder, kill)
        run(plan, folder)
        (expected, told), (found, telling) = (storage.load(f / "end") for f in (whole, folder))
    return told == telling and all(found[name].equal(value) for name, value in expected.items())


def main() -> int:
    """Kill every recipe's run and print what came of it; 1 if any ended otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chain", action="store_true", help="one run a recipe, killed every time")
    parser.add_argument("--tasks", nargs="+", choices=ALL_TASKS, default=[*ALL_TASKS])
    asked = parser.parse_args()
    chain = asked.chain
    plans = [*ALL_RECIPES.items(), *(((plan.task, f"{plan.model} (live)"), plan)
                                 for plan in LIVES.values() if chain)]  # fmt: skip
    plans = [(pair, plan) for pair, plan in plans if plan.task in asked.tasks]
    kills = range(1, KILLS + 1)
    ways: list[list[int]] = [list(kills)] if chain else [[kill] for kill in kills]
    count, identical, start = 0, 0, time.perf_counter()
    for pair, plan in plans:
        tiny = small(plan)
        with tempfile.TemporaryDirectory() as whole:
            run(tiny, Path(whole))
            same = [way for way in ways if same_end(tiny, Path(whole), way)]
        count += sum(map(len, ways))
        identical += sum(map(len, same))
        print(f"{' '.join(pair):36} {'identical' if same == ways else 'DIFFERENT':10}", flush=True)
    seconds = time.perf_counter() - start
    print(f"{count} kills, {identical} ended bit for bit as unbroken, in {seconds:.0f} s")
    return int(identical < count)


if __name__ == "__main__":
    raise SystemExit(main())
