"""Kill trainings, and show that what goes on from their checkpoints ends bit for bit as unbroken.

    python tools/kills.py                 every recipe, made small, killed after 4 validations
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


def same_end(plan: Recipe) -> bool:
    """Tell whether a run that is killed after each validation ends as one that was not."""
    with tempfile.TemporaryDirectory() as name:
        whole, broken = Path(name) / "whole", Path(name) / "broken"
        run(plan, whole)
        for kill in range(1, KILLS + 1):
            run(plan, broken, kill)
        run(plan, broken)
        (expected, told), (found, telling) = (storage.load(f / "end") for f in (whole, broken))
    return told == telling and all(found[name].equal(value) for name, value in expected.items())


def main() -> int:
    """Kill every recipe's run and print what came of it; 1 if any ended otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=ALL_TASKS, default=[*ALL_TASKS])
    tasks = parser.parse_args().tasks
    plans = [(plan, "") for plan in ALL_RECIPES.values() if plan.task in tasks]
    plans += [(plan, " (live)") for plan in LIVES.values() if plan.task in tasks]
    identical, start = 0, time.perf_counter()
    for plan, which in plans:
        same = same_end(small(plan))
        identical += KILLS * same
        name = f"{plan.task} {plan.model}{which}"
        print(f"{name:36} {'identical' if same else 'DIFFERENT'}", flush=True)
    count, seconds = KILLS * len(plans), time.perf_counter() - start
    print(f"{count} kills, {identical} ended bit for bit as unbroken, in {seconds:.0f} s")
    return int(identical < count)


if __name__ == "__main__":
    raise SystemExit(main())
