"""What several kinds of picture draw with: colour scales, cells, labels, arrows."""

from collections.abc import Iterable
from itertools import chain, groupby, repeat
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from torch import Tensor

from ntm_tutorial.plots.checks import Array
from ntm_tutorial.plots.style import INK, MARK, PAPER, SIGNED, WIDTH

Box = tuple[float, float, float, float]
"""Left, upper edge, width and height; the height is negative where an axis counts up."""


class Scale(NamedTuple):
    """A colour map and the values that it spans."""

    colours: Colormap
    low: float
    high: float


UNIT = Scale(mpl.colormaps["cividis"], 0.0, 1.0)
"""For bits, probabilities and weightings."""

WEIGHTS = Scale(mpl.colormaps["viridis"], 0.0, 1.0)
"""For weightings beside a memory whose numbers go beyond 1."""

GREYS = Scale(mpl.colormaps["gray"], 0.0, 1.0)
"""For predictions, drawn as the paper draws them: black is 0, white is 1."""


def scale_for(*arrays: Array) -> Scale:
    """Choose the scale for arrays shown together: diverging where there are negative values."""
    size = max(float(np.abs(array).max()) for array in arrays)
    if any(array.min() < 0 for array in arrays):
        return Scale(SIGNED, -size, size)
    return UNIT._replace(high=size or 1.0)


def mappable_for(scale: Scale) -> ScalarMappable:
    """Return what turns values into the scale's colours."""
    return ScalarMappable(Normalize(scale.low, scale.high), scale.colours)


def is_light(mappable: ScalarMappable, value: float) -> bool:
    """Tell whether a value's colour is light, so that ink on it can be read."""
    red, green, blue, _ = mappable.to_rgba(np.asarray(value))
    return bool(0.3 * red + 0.59 * green + 0.11 * blue > 0.5)


def draw_cells(axis: Axes, values: Array, scale: Scale, cell: float) -> None:
    """Draw values (across, down) as cells; lines part them where they are large enough."""
    axis.imshow(values.T, cmap=scale.colours, vmin=scale.low, vmax=scale.high)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=2, pad=2)
    if cell >= 0.08:
        across, down = values.shape
        axis.vlines(np.arange(1, across) - 0.5, -0.5, down - 0.5, color=PAPER, linewidth=0.5)
        axis.hlines(np.arange(1, down) - 0.5, -0.5, across - 0.5, color=PAPER, linewidth=0.5)
    axis.set_xticks(few_ticks(values.shape[0]))


def write_numbers(axis: Axes, values: Array, scale: Scale, box: Box, size: float) -> None:
    """Write values (across, down) into the cells of a box, dark on light and light on dark."""
    (x, y, *room), mappable = box, mappable_for(scale)
    for (row, column), value in np.ndenumerate(values.T):
        right, below = np.divide(room, values.shape) * np.add((column, row), 0.5)
        axis.text(x + right, y + below, short(value), ha="center", va="center", size=size, zorder=5,
                  color=INK if is_light(mappable, value) else "white")  # fmt: skip


def draw_panels(figure: Figure, panels: dict[Axes, Array], label: str = "value") -> None:
    """Draw panels on two scales, one for [0, 1] and one for all others, each with its bar."""
    wide = {axis: array for axis, array in panels.items() if array.min() < 0 or array.max() > 1}
    for is_wide, group in groupby(panels, wide.__contains__):  # neighbours share a bar
        scale = scale_for(*wide.values()) if is_wide else UNIT
        axes = list(group)
        for axis in axes:
            width = axis.get_position().width * figure.get_figwidth()
            draw_cells(axis, panels[axis], scale, width / len(panels[axis]))
        colour_bar(figure, scale, label, ax=axes, aspect=14, pad=0.015, fraction=0.03)


def colour_bar(figure: Figure, scale: Scale, label: str, **where: Any) -> None:
    """Draw a scale's colour bar; ``where`` goes to matplotlib's ``colorbar``."""
    bar = figure.colorbar(mappable_for(scale), **where)
    bar.set_label(label, size=8)
    if scale.high == 1 and "ticks" not in where:
        bar.set_ticks(sorted({scale.low, 0.0, 0.5, 1.0}))
    bar.outline.set_visible(False)


class Page:
    """A figure of full width on which things are placed in inches from its lower left corner."""

    def __init__(self, height: float) -> None:
        self.height = height
        self.figure = plt.figure(figsize=(WIDTH, height), layout="none")

    def axes(self, x: float, y: float, across: float, up: float) -> Axes:
        """Add axes of a size, their lower left corner at a place."""
        box = (x / WIDTH, y / self.height, across / WIDTH, up / self.height)
        return self.figure.add_axes(box)

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write a text at a place; ``style`` goes to matplotlib's ``text``."""
        self.figure.text(x / WIDTH, y / self.height, text, **style)


def canvas(height: float) -> tuple[Page, Axes]:
    """Open a page with one pair of axes that measures in inches."""
    page = Page(height)
    axis = page.axes(0.0, 0.0, WIDTH, height)
    axis.set(xlim=(0, WIDTH), ylim=(0, height))
    axis.set_axis_off()
    return page, axis


def scale_bar(
    page: Page, scale: Scale = UNIT, label: str = "probability of a 1", x: float = WIDTH - 1.1
) -> None:
    """Draw a small colour bar above all else, from ``x`` on, its ends in numbers."""
    y = page.height - 0.2
    bar = page.axes(x, y - 0.05, 0.8, 0.1)
    colour_bar(page.figure, scale, "", cax=bar, orientation="horizontal", ticks=[])
    low = short(scale.low).replace("-", "−")
    page.text(x - 0.05, y, f"{label}     {low}", va="center", ha="right", size=8)
    page.text(x + 0.85, y, short(scale.high), va="center", size=8)


def name_panel(axis: Axes, name: str) -> None:
    """Write a panel's name to its left, in the place of ticks."""
    axis.set_yticks([])
    axis.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=6)


def few_ticks(count: int, most: int = 8) -> list[int]:
    """Choose at most so many round tick positions from 0 to count - 1."""
    step = next(n * 10**k for k in range(20) for n in (1, 2, 5) if count <= most * n * 10**k)
    return list(range(0, count, step))


def veil(axis: Axes, steps: Tensor) -> None:
    """Pale the steps that do not count: a boolean tensor (T,)."""
    for step in steps.nonzero().flatten().tolist():
        axis.axvspan(step - 0.5, step + 0.5, color=PAPER, alpha=0.8, linewidth=0)


def point_at(axis: Axes, steps: Iterable[int], colour: str = MARK, letters: str = "") -> None:
    """Point arrows at steps from below, and move the tick labels out of their way."""
    for step, letter in zip(steps, chain(letters, repeat("")), strict=False):
        axis.annotate(letter, (step, 0), (0, -13), xycoords=("data", "axes fraction"),
                      textcoords="offset points", annotation_clip=False,
                      ha="center", va="top", color=colour, weight="bold", size=8,
                      arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.6,
                                  "shrinkA": 0, "shrinkB": 1})  # fmt: skip
        axis.tick_params(axis="x", pad=22 if letters else 13)


def short(value: float) -> str:
    """Write with two decimals at most."""
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")
