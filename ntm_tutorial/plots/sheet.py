"""The sheet that explorers draw on.

Explorers draw again at every touch of a slider. So they stay clear of pyplot, which would keep each
figure, and draw on a single pair of axes, measured in inches: matplotlib's axes and layouts take
most of the time that a figure takes.
"""

import io
import textwrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ntm_tutorial.plots.checks import Array
from ntm_tutorial.plots.drawing import Box, Scale, short, write_numbers
from ntm_tutorial.plots.style import FAINT, STYLE

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
