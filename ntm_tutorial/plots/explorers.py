"""What the explorers of ``widgets`` show: runs step by step, and one step of addressing.

Explorers draw again at every touch of a slider. So they stay clear of pyplot, which would keep each
figure, and draw on a single pair of axes, measured in inches: matplotlib's axes and layouts take
most of the time that a figure takes.
"""

import io
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ntm_tutorial.checks import telling, whole
from ntm_tutorial.plots.checks import Array, as_array, given, same_steps
from ntm_tutorial.plots.drawing import UNIT, Box, Scale, few_ticks, scale_for, short, write_numbers
from ntm_tutorial.plots.style import FAINT, MARK, READ, SIGNED, STYLE, WRITE

NAME_ROOM, STEP_ROOM = 1.35, 6.4
"""Inches for the panels' names, and for the steps."""


class Sheet:
    """A figure unknown to pyplot, with one pair of axes in inches from its upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.figure = Figure(figsize=(width, height))
        self.axis = self.figure.add_axes((0, 0, 1, 1))
        self.axis.set(xlim=(0, width), ylim=(height, 0))
        self.axis.set_axis_off()

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write a text at a place; ``style`` goes to matplotlib's ``text``."""
        style = {"va": "center", "size": 8.5, "parse_math": False, **style}
        self.axis.text(x, y, text, **style)

    def name(self, text: str, y: float, right: float = NAME_ROOM - 0.08) -> None:
        """Write a panel's name to its left, in lines that fit."""
        lines = textwrap.fill(textwrap.shorten(text, 54), 20)
        self.text(right, y, lines, ha="right", ma="right", size=8, linespacing=1.05)

    def cells(self, values: Array, scale: Scale, box: Box, *, numbers: bool = False) -> None:
        """Draw values (across, down) as cells."""
        x, y, across, down = box
        more_than_pixels = len(values) > 100 * across  # then average them, and leave none out
        self.axis.imshow(
            values.T,
            cmap=scale.colours,
            vmin=scale.low,
            vmax=scale.high,
            extent=(x, x + across, y + down, y),
            interpolation="antialiased" if more_than_pixels else "nearest",
        )
        if numbers:
            write_numbers(self.axis, values, scale, box, 8.5)

    def bars(self, heights: Array, colour: str, box: Box, *, filled: float = 0.84) -> None:
        """Draw bars from 0 to 1 on a thin line; ``filled`` is their share of the width."""
        x, y, across, down = box
        cell, (at,) = across / len(heights), np.nonzero(np.nan_to_num(heights))
        middle, bottom = x + cell * (at + 0.5), y + down
        self.axis.hlines(bottom, x, x + across, color=FAINT, linewidth=0.8)
        wide = max(1.0, 72 * cell * filled)  # in points
        self.axis.vlines(middle, bottom, bottom - down * heights[at], color=colour, linewidth=wide)

    def ticks(self, labels: dict[int, str], count: int, box: Box) -> None:
        """Number some of ``count`` columns below a box."""
        x, y, across, down = box
        at = [x + across * (place + 0.5) / count for place in labels]
        self.axis.vlines(at, y + down, y + down + 0.03, color=FAINT, linewidth=0.8)
        for place, label in zip(at, labels.values(), strict=True):
            self.text(place, y + down + 0.1, label, ha="center", size=8)

    def scale_bar(self, y: float, scale: Scale, label: str) -> None:
        """Draw a small colour bar at the right edge, its ends in numbers."""
        x = self.width - 1.25
        steps = np.linspace(scale.low, scale.high, 64)[:, None]
        self.cells(steps, scale, (x, y - 0.05, 0.75, 0.1))
        self.text(x - 0.45, y, label, ha="right", size=8)
        self.text(x - 0.06, y, short(scale.low), ha="right", size=8)
        self.text(x + 0.81, y, short(scale.high), size=8)


in_style = mpl.rc_context(STYLE | {"figure.constrained_layout.use": False})
"""Draws in the book's style, whether or not ``use_style`` was called, and without a layout."""


def png(figure: Figure) -> bytes:
    """Render a figure once, as it is, to the bytes of a PNG file."""
    file = io.BytesIO()
    with mpl.rc_context({"text.hinting": "none"}):  # a third of the time goes without
        figure.savefig(file, format="png", dpi="figure", pil_kwargs={"compress_level": 1})
    return file.getvalue()


class Tape(NamedTuple):
    """A memory at one step, and where the heads were.

    ``read`` and ``write`` hold each location's largest weight over the heads of that kind; only
    ``locations`` are shown. The colours span the values from ``low`` to ``high``.
    """

    memory: Float[Tensor, "N M"]
    read: Float[Tensor, "N"]
    write: Float[Tensor, "N"]
    locations: list[int]
    low: float
    high: float


@telling
@in_style
def timeline(
    panels: Sequence[tuple[str, Tensor]], *, step: int | None = None, tape: Tape | None = None
) -> Figure:
    """Show the memory at one step and, below, stack panels that share the time axis.

    The memory is on top, next to an explorer's controls, which change it.

    Args:
        panels: a name, and values from 0 to 1 (T, channels), which become a map, or counts (T,),
            which become red bars.
        step: a red line marks it.
        tape: the memory after that step.

    Raises:
        ValueError: if there is no panel, they differ in their number of steps, or there is no such
            step.
    """
    arrays = [
        as_array(name, values, "T channels" if values.dim() > 1 else "T")
        for name, values in given("panels", panels)
    ]
    steps = same_steps({name: array for (name, _), array in zip(panels, arrays, strict=True)})
    if step is not None:
        whole("step", step, 0, steps - 1)
    most = max([1.0, *(array.max() for array in arrays if array.ndim == 1)])
    pixel = 0.01
    cell = min(0.22, max(STEP_ROOM / steps // pixel * pixel, pixel))  # whole pixels, crisp edges
    across = min(STEP_ROOM, cell * steps)
    heights = [min(max(0.055 * array[0].size, 0.2), 0.95) for array in arrays]
    top = 2.3 if tape else 0.0
    end = top + 0.4 + sum(heights) + 0.09 * len(heights)
    sheet = Sheet(NAME_ROOM + STEP_ROOM + 0.15, end + 0.38)
    if tape:
        _draw_tape(sheet, tape, 0.2, f"memory after step {step}")
    sheet.scale_bar(top + 0.2, UNIT, "probability, weight")
    y = top + 0.4
    for (name, _), array, tall in zip(panels, arrays, heights, strict=True):
        box = (NAME_ROOM, y, across, tall)
        sheet.name(name, y + tall / 2)
        if array.ndim == 2:
            sheet.cells(array, UNIT, box)
        else:
            sheet.bars(array / most, MARK, box, filled=1.0)
        y += tall + 0.09
    sheet.ticks({t: str(t) for t in few_ticks(steps, most=max(2, int(across / 0.45)))}, steps, box)
    sheet.text(NAME_ROOM + across / 2, y + 0.2, "time step", ha="center")
    if step is not None:
        at = NAME_ROOM + across * (step + 0.5) / steps
        sheet.axis.vlines(at, top + 0.36, y - 0.05, color=MARK, linewidth=1)
    return sheet.figure


def _draw_tape(sheet: Sheet, tape: Tape, y: float, title: str) -> None:
    """Draw the memory with locations to the right, and the heads' weightings above it."""
    scale = scale_for(np.array([tape.low, tape.high]))
    sheet.text(0.08, y, title, size=9.5)
    sheet.scale_bar(y, scale, "value")
    count = len(tape.locations)
    across = min(0.3, STEP_ROOM / count) * count
    for name, weighting, colour in (
        ("read weighting", tape.read, READ),
        ("write weighting", tape.write, WRITE),
    ):
        weights = as_array(name, weighting, "N")[tape.locations]
        sheet.bars(weights, colour, (NAME_ROOM, y + 0.2, across, 0.3))
        sheet.name(name, y + 0.38)
        y += 0.36
    box = (NAME_ROOM, y + 0.22, across, 0.8)
    sheet.cells(as_array("memory", tape.memory, "N M")[tape.locations], scale, box)
    sheet.name("memory rows", y + 0.62)
    locations = len(tape.read)
    round_ones = few_ticks(locations, most=max(2, int(across / 0.3 * locations / count)))
    at = {place: str(i) for place, i in enumerate(tape.locations) if i in round_ones}
    sheet.ticks(at, count, box)
    sheet.text(NAME_ROOM + across / 2, y + 1.29, "location", ha="center")


@telling
@in_style
def addressing_stages(
    memory: Tensor, key: Tensor, similarity: Tensor, weightings: dict[str, Tensor]
) -> Figure:
    """Show one addressing step in numbers: memory, key, how they compare, and weightings.

    Locations run to the right, so that each has one column from the memory to the last bar.

    Args:
        memory: (N, M); each row becomes a column.
        key: (M,); stands to the left of the memory.
        similarity: (N,) of the key with each row, Eq. 6.
        weightings: (N,) each, drawn as bars in this order.

    Raises:
        ValueError: if shapes do not fit.
    """
    rows, wanted = as_array("memory", memory, "N M"), as_array("key", key, "M")[None]
    alike = as_array("similarity", similarity, "N")[:, None]
    bars = {name: as_array(name, one, "N") for name, one in given("weightings", weightings).items()}
    count = same_steps({"memory": rows, "similarity": alike, **bars}, "locations")
    left, across, up = NAME_ROOM + 0.7, STEP_ROOM - 0.7, 0.24
    deep = up * rows.shape[1]
    sheet = Sheet(NAME_ROOM + STEP_ROOM + 0.15, deep + 1.3 + 0.55 * len(bars))
    scale = Scale(SIGNED, -1.0, 1.0)
    sheet.text(left - 0.65, 0.2, "key")
    sheet.cells(wanted, scale, (left - 0.65, 0.32, 0.45, deep), numbers=True)
    sheet.text(left, 0.2, "memory")
    sheet.cells(rows, scale, (left, 0.32, across, deep), numbers=True)
    sheet.name("similarity, Eq. 6", deep + 0.42 + up / 2, left - 0.1)
    sheet.cells(alike, scale, (left, deep + 0.42, across, up), numbers=True)
    y = deep + 0.92
    for name, values in bars.items():
        box = (left, y, across, 0.36)
        sheet.bars(values, "#9cc4e0", box)
        sheet.name(name, y + 0.25, left - 0.1)
        for place, value in enumerate(values):
            at = left + across * (place + 0.5) / count
            sheet.text(at, y + 0.36 * (1 - value) - 0.07, f"{value:.2f}", ha="center", size=8)
        y += 0.55
    sheet.ticks({place: str(place) for place in range(count)}, count, box)
    sheet.text(left + across / 2, y + 0.17, "memory location", ha="center")
    return sheet.figure
