"""What all tests share: shape checks, figures compared under nbval, a count of what ran.

It stands at the root so that `pytest notebooks/07_copy.ipynb` finds it too.
"""

import base64
import io
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
from nbval.plugin import IPyNbCell
from PIL import Image
from xdist.scheduler import LoadFileScheduling

from tools.execute import is_progress_bar

# As in the Makefile: with one thread, sums do not depend on the machine. Kernels inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

DURATIONS = Path(__file__).parent / "tests" / "durations.json"
"""How many seconds each part of the tests took, the last time that somebody looked.

``RECORD_DURATIONS=1 make test`` writes it anew.
"""

BUILDS = "tests/test_book.py"
"""The part that is to build the book."""

PIXEL_TOLERANCE = 4.0
"""Root mean square difference, of 255, at which two pictures still count as the same figure."""

compare_all_but_pictures = IPyNbCell.compare_outputs


def pixel_difference(one: str, other: str) -> float:
    """Return how far two base64 PNGs differ, root mean square, of 255; infinite if sizes do."""
    first, second = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"), dtype=float)
        for png in (one, other)
    )
    if first.shape != second.shape:
        return float("inf")
    return float(np.sqrt(np.mean((first - second) ** 2)))


def pictures(outputs: Any) -> list[str]:
    """Return the PNGs among a cell's outputs."""
    return [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]


def compare_outputs(cell: Any, test: Any, ref: Any, skip_compare: Any = None) -> bool:
    """Compare as nbval does, and then the pictures that it leaves out; ignore progress bars."""
    test = [output for output in test if not is_progress_bar(output)]
    ref = [output for output in ref if not is_progress_bar(output)]
    if not compare_all_but_pictures(cell, test, ref, skip_compare):
        return False
    now, before = pictures(test), pictures(ref)
    if len(now) != len(before):
        cell.comparison_traceback.append(f"{len(before)} pictures committed, {len(now)} now")
        return False
    for number, (one, other) in enumerate(zip(before, now, strict=True), start=1):
        difference = pixel_difference(one, other)
        if difference >= PIXEL_TOLERANCE:
            cell.comparison_traceback.append(f"picture {number} differs by {difference:.1f} of 255")
            return False
    return True


IPyNbCell.compare_outputs = compare_outputs


@pytest.fixture(autouse=True)
def shape_checks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check every call's shapes against its signature, but in tests marked ``bad_input``.

    Those look at the errors that a reader gets, and a reader runs without the checks.
    """
    jaxtyping.config.update("jaxtyping_disable", "bad_input" in request.keywords)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


SECONDS: dict[str, float] = json.loads(DURATIONS.read_text(encoding="utf-8"))


def part_of(nodeid: str) -> str:
    """Return what one worker runs as a whole: a file, or a test that runs a whole notebook."""
    whole = ("tests/test_colab.py::", "tests/test_exercises.py::")
    return nodeid if nodeid.startswith(whole) else nodeid.partition("::")[0]


class Scheduling(LoadFileScheduling):
    """Hands out parts in the order of collection, which is that of ``in_good_order``."""

    def _split_scope(self, nodeid: str) -> str:
        return part_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    config.option.loadscopereorder = False
    return Scheduling(config, log)


def in_good_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Put what takes long first, so that no worker is left alone with it at the end.

    One part builds the book for all that look at it; while it does, they would only wait.
    """
    on_the_book = {part_of(item.nodeid) for item in items if "site" in fixtures_of(item)}

    def place(item: pytest.Item) -> tuple[bool, bool, float, str]:
        part = part_of(item.nodeid)
        late = part in on_the_book and part != BUILDS
        return part != BUILDS, late, -SECONDS.get(part, 5.0), part

    return sorted(items, key=place)


def fixtures_of(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # of xdist; a single process keeps to the files' order
        items[:] = in_good_order(items)


def record_durations(reports: Iterable[Any]) -> None:
    """Write how long each part took, the longest first."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for report in reports:
        if isinstance(report, pytest.TestReport) and not isinstance(report, pytest.SubtestReport):
            seconds[part_of(report.nodeid)] += report.duration
    lines = [
        f"{json.dumps(part)}: {time:.1f}"
        for part, time in sorted(seconds.items(), key=lambda pair: -pair[1])
    ]
    DURATIONS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many notebooks, cells and tests ran, and what the tests themselves counted."""
    ran = {
        report.nodeid
        for outcome in ("passed", "failed", "error", "xfailed")
        for report in terminalreporter.getreports(outcome)
    }
    cells = {nodeid for nodeid in ran if ".ipynb::" in nodeid}
    notebooks = {nodeid.split("::")[0] for nodeid in cells}
    counts = f"{len(notebooks)} notebooks, {len(cells)} code cells, {len(ran - cells)} other tests"
    terminalreporter.write_line(f"Ran {counts}.")
    if os.environ.get("RECORD_DURATIONS"):
        record_durations(chain(*terminalreporter.stats.values()))
    tallies: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for report in chain(*terminalreporter.stats.values()):
        for name, count in getattr(report, "user_properties", ()):
            if report.when == "teardown" and name.startswith("tally "):
                where, _, what = name.removeprefix("tally ").partition(": ")
                tallies[where][what] += count
    for where, found in tallies.items():
        counts = ", ".join(f"{count} {what}" for what, count in found.items())
        terminalreporter.write_line(f"{where}: {counts}.")
