"""How machines learn in the page: ten seeds of each size in a browser, beside the package, eager.

``python -m tools.learning_bench _build/html`` opens the front page of a built book, and prints a
table. Seconds are processor time, which does not depend on what else the machine does; what is
measured again and again is the best of many.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Page, sync_playwright
from torch.nn.functional import binary_cross_entropy_with_logits

from ntm_tutorial import train
from ntm_tutorial.recipes import LIVE
from ntm_tutorial.tasks.copy import Copy
from tests.browser import Tab, served
from tools.browser import launch

SIZES: dict[str, tuple[int, dict[str, Any]]] = {
    "small": (12, {"clip_norm": 10.0, "network": {
        "controller_size": 64, "memory_locations": 32, "memory_width": 16}}),
    "paper": (20, {}),
}  # fmt: skip
"""The longest sequence, and what differs from the recipe, by what the page calls a size."""
PAGE = "book/intro.html"

SEQUENCE = """
([repeats, count]) => {
  const { core } = Learning, trainer = new core.Trainer({ size: "paper", seed: 0 });
  const { machine, weights, gradients, episode } = trainer, times = [];
  trainer.draw(episode, 20, trainer.random);
  for (let r = 0; r < repeats; r++) {
    const start = performance.now();
    for (let k = 0; k < count; k++) core.learn(machine, weights, gradients, episode, 1 / 16);
    times.push((performance.now() - start) / count);
  }
  return Math.min(...times);
}
"""


class ShortCopy(Copy):
    """Copy up to another length."""

    def __init__(self, longest: int) -> None:
        self.training_range = {"length": (1, longest)}


def processor_seconds() -> float:
    """Return the processor time of this process's children, the browser with all its parts."""
    ticks, children = 0, {os.getpid()}
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        stats.append((int(path.parent.name), int(fields[1]), int(fields[11]) + int(fields[12])))
    for pid, parent, spent in sorted(stats):
        if parent in children:
            children.add(pid)
            ticks += spent
    return ticks / os.sysconf("SC_CLK_TCK")


def in_the_page(page: Page, size: str, seeds: Iterable[int]) -> list[dict[str, Any]]:
    """Let a machine learn from each seed, and note what that took."""
    found = []
    for seed in seeds:
        before = processor_seconds()
        run = page.evaluate("(options) => Learning.run(options)", {"seed": seed, "size": size})
        run |= {"seed": seed, "processor": processor_seconds() - before}
        print("page", size, json.dumps(run), flush=True)
        found.append(run)
    return found


def in_pytorch(size: str, seeds: Iterable[int]) -> list[dict[str, Any]]:
    """Train the same with the package, eager, with its fused step."""
    (longest, changes), found = SIZES[size], []
    plan = LIVE.but(
        sequences=60_000, decay=0.0, validate_every=500,
        validation_difficulty={"length": longest}, **changes,
    )  # fmt: skip
    for seed in seeds:
        model, before = plan.build(seed), time.process_time()
        history = train(model, ShortCopy(longest), **vars(plan.settings), seed=seed, progress=False)
        spent, bits = time.process_time() - before, history.validation_bits[-1]
        run = {"seed": seed, "solved": bits <= 0.1, "sequences": history.sequences[-1],
               "bits": bits, "processor": spent}  # fmt: skip
        print("PyTorch", size, json.dumps(run), flush=True)
        found.append(run)
    return found


def best(act: Callable[[], object], repeats: int = 40) -> float:
    """Return the fewest milliseconds of processor time that something took."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        act()
        times.append(1000 * (time.process_time() - start))
    return min(times)


def pytorch_sequence(batch: int) -> float:
    """Return milliseconds a sequence of length 20, forward and backward, in the package."""
    model, episode = LIVE.build(0), Copy().sample(batch, length=20)

    def learn() -> None:
        loss = binary_cross_entropy_with_logits(model(episode.inputs)[0], episode.targets)
        loss.backward()

    return best(learn) / batch


def summary(runs: list[dict[str, Any]]) -> str:
    """Say how many runs reached the goal, after how many sequences and how much processor time."""
    solved = [run for run in runs if run["solved"]]
    middle = [statistics.median(run[name] for run in runs) for name in ("sequences", "processor")]
    most = [max(run[name] for run in runs) for name in ("sequences", "processor")]
    return (
        f"{len(solved)} of {len(runs)} solved; median {middle[0]:,.0f} sequences, "
        f"{middle[1]:.1f} s; most {most[0]:,} sequences, {most[1]:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, help="a built book, such as _build/html")
    parser.add_argument("--seeds", type=int, default=10, help="how many, from 100 on; 0 for none")
    parser.add_argument("--sizes", nargs="*", default=list(SIZES))
    parser.add_argument("--without-pytorch", action="store_true")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(100, 100 + wanted.seeds)
    with (
        sync_playwright() as playwright,
        launch(playwright) as browser,
        served(wanted.site) as home,
    ):
        page = browser.new_page()
        Tab(page, home).open(PAGE)
        print(f"page: {page.evaluate(SEQUENCE, [600, 1]):.2f} ms a sequence of length 20")
        rows = {("page", size): in_the_page(page, size, seeds) for size in wanted.sizes if seeds}
    if not wanted.without_pytorch:
        for batch in (1, 16):
            print(f"PyTorch: {pytorch_sequence(batch):.2f} ms a sequence, {batch} at a time")
        rows |= {("PyTorch", size): in_pytorch(size, seeds) for size in wanted.sizes if seeds}
    for (where, size), runs in rows.items():
        print(f"{where}, {size}: {summary(runs)}")


if __name__ == "__main__":
    main()
