"""What all tests share: shape checks, figures compared under nbval, a count of what ran.

It stands at the root so that `pytest notebooks/07_copy.ipynb` finds it too.
"""

import base64
import io
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import chain
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


class Scheduling(LoadFileScheduling):
    """A file's tests go to one worker, but for those that run a whole notebook each."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if "/test_colab.py::" in nodeid else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


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
    tallies: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for report in chain(*terminalreporter.stats.values()):
        for name, count in getattr(report, "user_properties", ()):
            if report.when == "teardown" and name.startswith("tally "):
                where, _, what = name.removeprefix("tally ").partition(": ")
                tallies[where][what] += count
    for where, found in tallies.items():
        counts = ", ".join(f"{count} {what}" for what, count in found.items())
        terminalreporter.write_line(f"{where}: {counts}.")
