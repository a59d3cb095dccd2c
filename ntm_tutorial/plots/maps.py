"""One map of everything: models by tasks, and in each cell how far it goes."""

import textwrap
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ntm_tutorial.checks import telling
from ntm_tutorial.plots.checks import given
from ntm_tutorial.plots.drawing import Page, canvas, is_light
from ntm_tutorial.plots.style import FAINT, INK, LABELS, PAPER, SHADE, WIDTH

Strip = Sequence[Sequence[float]] | str
"""What a cell holds: for each of its squares a number a seed, or in words why there is none."""

NAMES, HEAD, ROW, SQUARE, TALL = 1.28, 0.92, 0.47, 0.335, 0.26
"""In inches: the names' width, the head's and a row's height, a square's width and height."""


@telling
def strip_map(
    rows: Mapping[str, Mapping[str, Strip]], tests: Mapping[str, Sequence[str]]
) -> Figure:
    """Draw a row for each model, a column for each task, a strip of squares in each cell.

    A square has the colour of the median over seeds and its number: 0 is perfect, 1 is a coin.
    Below it is a dot for each seed, from 0 at the left to 1 or more at the right. Colours and dots
    have one scale, on which small numbers are spread out.

    Args:
        rows: by model and task what a cell holds.
        tests: for each task what its squares are called, from left to right.

    Raises:
        ValueError: if there is nothing to draw, or a strip has not one square for each test.
    """
    height = HEAD + ROW * len(given("rows", rows)) + 0.05
    page, axis = canvas(height)
    axis.invert_yaxis()
    shades = ScalarMappable(PowerNorm(0.5, 0, 1, clip=True), mpl.colormaps["cividis"])
    pitch = (WIDTH - NAMES) / len(given("tests", tests))
    for column, (task, names) in enumerate(tests.items()):
        left = NAMES + pitch * column
        axis.text(left, HEAD - 0.27, task, weight="bold", size=7.2, va="bottom")
        for place, name in enumerate(names):
            axis.text(left + SQUARE * (place + 0.48), HEAD - 0.06, name, size=7, ha="center",
                      color=FAINT, va="bottom")  # fmt: skip
        for row, (model, held) in enumerate(rows.items()):
            _draw_strip(axis, shades, (left, HEAD + ROW * row), held.get(task, ""), names,
                        f"{model}, {task}")  # fmt: skip
    for row, model in enumerate(rows):
        name = LABELS.get(model, model).replace(", ", ",\n")
        axis.text(0.06, HEAD + ROW * row + TALL / 2, name, size=6.9, va="center", linespacing=1.1)
    _draw_key(page, shades)
    return page.figure


def _draw_strip(
    axis: Axes,
    shades: ScalarMappable,
    corner: tuple[float, float],
    held: Strip,
    names: Sequence[str],
    where: str,
) -> None:
    left, top = corner
    if isinstance(held, str):
        width = SQUARE * len(names) - 0.02
        axis.add_patch(Rectangle(corner, width, TALL + 0.1, facecolor=SHADE, linewidth=0))
        words = "\n".join(textwrap.wrap(held, 22)[:3]) or "not trained"
        axis.text(left + width / 2, top + 0.18, f"–\n{words}", size=6.3, ha="center", va="center",
                  linespacing=1.05)  # fmt: skip
        return
    if len(held) != len(names):
        raise ValueError(f"rows: expected {len(names)} tests for {where}, got {len(held)}")
    scaled: Any = shades.norm  # from 0 to 1
    width, below = SQUARE - 0.02, top + TALL + 0.055
    for place, seeds in enumerate(held):
        left = corner[0] + SQUARE * place
        middle = median(seeds) if seeds else 0.0
        colour = shades.to_rgba(np.asarray(middle)) if seeds else SHADE
        axis.add_patch(Rectangle((left, top), width, TALL, facecolor=colour, linewidth=0))
        ink = INK if not seeds or is_light(shades, middle) else PAPER
        axis.text(left + width / 2, top + TALL / 2, _short(middle) if seeds else "–", size=7.5,
                  color=ink, ha="center", va="center_baseline")  # fmt: skip
        axis.plot([left, left + width], [below] * 2, "|-", color=SHADE, markersize=4, zorder=1)
        across = left + 0.02 + (width - 0.04) * scaled(np.asarray(seeds, dtype=float))
        axis.plot(across, [below] * len(seeds), "o", color=INK, markersize=3, alpha=0.55,
                  markeredgewidth=0)  # fmt: skip


def _short(wrong: float) -> str:
    """Write in four characters; 0 stands for nothing wrong at all, 0.00 for almost nothing."""
    if wrong <= 0:
        return "0"
    return f"{wrong:.2f}" if wrong < 9.995 else f"{wrong:.0f}"


def _draw_key(page: Page, shades: ScalarMappable) -> None:
    """Draw the colours' scale in the head."""
    place = page.axes(WIDTH / 2, page.height - 0.2, 0.45 * WIDTH, 0.11)
    bar = page.figure.colorbar(shades, cax=place, orientation="horizontal")
    bar.set_ticks([0, 0.1, 0.3, 0.6, 1], labels=["0 perfect", "0.1", "0.3", "0.6", "1 coin"])
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=2, pad=2, labelsize=7)
    bar.outline.set_visible(False)
    words = "how wrong: the seeds' median, and below it each seed"
    page.text(0.06, page.height - 0.15, words, size=7.5, va="center")
