"""Dynamic N-grams: what was predicted of a sequence of bits, and what recurs in it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

from ntm_tutorial.checks import check_positive, telling, whole
from ntm_tutorial.plots import drawing
from ntm_tutorial.plots.checks import Array, as_array, check_probabilities, given, same_steps
from ntm_tutorial.plots.style import MARK, OTHERS, PAPER, SHADE, WIDTH, look_of
from ntm_tutorial.tasks.dynamic_ngrams import CONTEXT

DIFFERENCES = LinearSegmentedColormap.from_list("differences", [PAPER, "#f2a7a0", MARK, "#5a0f1c"])
"""Light where there is none, then red, then dark."""


class Excerpt(NamedTuple):
    """A stretch of a sequence of bits, and what was predicted of it.

    Attributes:
        bits: a sequence (L,) of zeros and ones.
        rows: for each row's name, probabilities (L - 1,) of a 1; entry ``t`` is what was said
            after ``bits[t]``, about ``bits[t + 1]``.
        arrows: for a row's name, bits that red arrows point out, under their letters.
        shown: the first and the last bit to draw; left out, all.
    """

    bits: Tensor
    rows: Mapping[str, Tensor]
    arrows: Mapping[str, Mapping[str, int]] = MappingProxyType({})
    shown: tuple[int, int] | None = None

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last bit to draw."""
        return self.shown or (1, len(self.bits))


@telling
def predictions(*excerpts: Excerpt, against: str = "") -> Figure:
    """Arrange bits over what was predicted for them, as Figure 14 of the paper does.

    A column stands for a bit: on top the bit itself, below it each prediction, made before the bit
    came. Bits are counted from 1; the coin flips at the start, which nobody can predict, stay
    blank. Here black is 0 and white is 1, as in the paper.

    Args:
        excerpts: what to draw, from left to right; all with the same rows.
        against: a row's name; below each row after it a strip shows how far the two differ.

    Raises:
        ValueError: if there is nothing to draw, shapes do not fit, rows are not the same
            everywhere, or ``shown`` or an arrow is outside.
    """
    parts = [_greys(excerpt) for excerpt in given("excerpts", excerpts)]
    names = list(parts[0])
    if any(list(part) != names for part in parts) or (against and against not in names):
        raise ValueError(f"rows: expected {names} in every excerpt, and one of them as {against=}")
    strips = names[names.index(against) + 1 :] if against else []
    arrows = {name for excerpt in excerpts for name in excerpt.arrows}
    apart = {(name, i): np.abs(part[name] - part[against])
             for i, part in enumerate(parts) for name in strips}  # fmt: skip
    scale = drawing.Scale(
        DIFFERENCES, 0.0, max((np.nanmax(one) for one in apart.values()), default=1.0)
    )
    left, tall, thin, gap, top = 0.78, 0.3, 0.17, 0.08, 0.45
    under = {name: (thin + 0.02) * (name in strips) + 0.36 * (name in arrows) for name in names}
    height = top + (tall + gap) * len(names) + sum(under.values()) + 0.46
    page = drawing.Page(height)
    drawing.scale_bar(page, drawing.GREYS)
    if strips:
        drawing.scale_bar(page, scale, f"distance from {against}", left + 1.57)
    for i, (excerpt, across) in enumerate(zip(excerpts, _widths(excerpts, left), strict=True)):
        (first, last), y = excerpt.span, height - top
        for name in names:
            axis = page.axes(left, y - tall, across, tall)
            _strip(axis, parts[i][name][first - 1 : last], first)
            if i == 0:
                drawing.name_panel(axis, name)
            if name in strips:
                axis = page.axes(left, y - tall - 0.02 - thin, across, thin)
                _strip(axis, apart[name, i][first - 1 : last], first, scale)
            drawing.point_at(axis, excerpt.arrows.get(name, {}).values(),
                             letters="".join(excerpt.arrows.get(name, {})))  # fmt: skip
            y -= tall + gap + under[name]
        axis.tick_params(labelbottom=True, bottom=True, pad=2)
        axis.set_xlabel("bit")
        left += across + 0.2
    return page.figure


def _greys(excerpt: Excerpt) -> dict[str, Array]:
    """Return the bits and each row of predictions, as they stand over each other."""
    bits = as_array("bits", excerpt.bits, "L")
    length, (first, last) = len(bits), excerpt.span
    if not 1 <= first < last <= length:
        raise ValueError(f"shown: expected two bits from 1 to {length}, got {excerpt.shown}")
    panels = {"Input": bits}
    for name, values in given("rows", excerpt.rows).items():
        check_probabilities(name, values, excerpt.bits[1:])
        said = np.insert(as_array(name, values, "L"), 0, np.nan)
        panels[name] = np.where(np.arange(length) < CONTEXT, np.nan, said)
    for name, marks in excerpt.arrows.items():
        if name not in panels or any(not first <= bit <= last for bit in marks.values()):
            raise ValueError(
                f"arrows: expected bits from {first} to {last} of {list(panels)}, "
                f"got {dict(marks)} of {name!r}"
            )
    return panels


def _widths(excerpts: Sequence[Excerpt], left: float) -> list[float]:
    """Share the page's width: most of it to the longest, and what that leaves to the others."""
    room = WIDTH - left - 0.2 * len(excerpts)
    counts = [last - first + 1 for first, last in (excerpt.span for excerpt in excerpts)]
    shares = [max(count, max(counts) / 4) for count in counts]
    widths = dict.fromkeys(range(len(counts)), 0.0)
    for i in sorted(widths, key=lambda i: -counts[i]):
        waiting = sum(shares[j] for j in widths if not widths[j])
        widths[i] = _across((room - sum(widths.values())) * shares[i] / waiting, counts[i])
    return list(widths.values())


@telling
def visits(
    strips: dict[str, Tensor],
    panels: dict[str, Tensor],
    marks: dict[str, dict[str, Sequence[int]]],
    names: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Figure:
    """Follow recurring contexts through a sequence, as Figure 15 of the paper does.

    Args:
        strips: rows of greys at the top, each (T,), probabilities or bits.
        panels: what happened inside, each (T, rows): vectors added, weightings.
        marks: for a panel's name, what to point at: steps under each label. The first label's
            arrows are red, the second's green.
        names: for a panel's name, what each of its rows is called.

    Raises:
        ValueError: if there is nothing to draw, shapes do not fit, or marks name no panel.
    """
    rows = {name: as_array(name, values, "T") for name, values in given("strips", strips).items()}
    drawn = {
        name: as_array(name, values, "T rows") for name, values in given("panels", panels).items()
    }
    steps = same_steps(rows | drawn)
    for name in marks:
        if name not in drawn:
            raise ValueError(f"marks: expected panels of {list(drawn)}, got {name!r}")
    left, right, top, above = 0.48, 0.55, 0.4, 0.24
    sizes = {name: array.shape[1] for name, array in drawn.items()}
    tall = {
        name: 0.105 * size if name in names else min(1.8, max(0.8, 0.045 * size))
        for name, size in sizes.items()
    }
    space = {name: above + 0.16 * (name in marks) for name in drawn}
    height = top + 0.37 * len(rows) + sum(tall.values()) + sum(space.values()) + 0.45
    page = drawing.Page(height)
    across = _across(WIDTH - left - right, steps)
    drawing.scale_bar(page, drawing.GREYS)
    y = height - top
    for name, array in rows.items():
        axis = page.axes(left, y - 0.3, across, 0.3)
        _strip(axis, array, 0)
        drawing.name_panel(axis, name)
        y -= 0.37
    for name, array in drawn.items():
        y -= above + tall[name]
        axis = page.axes(left, y, across, tall[name])
        scale = drawing.scale_for(array)
        drawing.draw_cells(axis, array, scale, cell=0.0)
        axis.set_title(name, pad=3, size=8.5)
        called = names.get(name, ())
        axis.set_yticks(range(len(called)), called, size=6.3)
        axis.tick_params(labelbottom=False, bottom=False)
        axis.tick_params(axis="y", length=0)
        bar = page.axes(left + across + 0.07, y, 0.07, tall[name])
        drawing.colour_bar(page.figure, scale, "", cax=bar)
        bar.locator_params(axis="y", nbins=3)
        for colour, at in zip((MARK, OTHERS[0]), marks.get(name, {}).values(), strict=False):
            drawing.point_at(axis, at, colour)
        y -= space[name] - above
    axis.tick_params(labelbottom=True, bottom=True)
    axis.set_xlabel("time step")
    labels = {label: None for at in marks.values() for label in at}
    for place, (label, colour) in enumerate(zip(labels, (MARK, OTHERS[0]), strict=False)):
        page.text(left + 1.9 * place, height - 0.2, f"▲ {label}", color=colour, va="center", size=8)
    return page.figure


def _across(room: float, columns: int) -> float:
    """Return a width in inches that gives all columns the same whole number of pixels."""
    dpi = mpl.rcParams["figure.dpi"]
    pixels = room * dpi / columns
    return min(30, int(pixels) if pixels >= 1 else pixels) * columns / dpi


def _strip(axis: Axes, values: Array, first: int, scale: drawing.Scale = drawing.GREYS) -> None:
    """Draw one row of greys or of another scale, its columns counted from ``first``."""
    last = first + len(values) - 1
    axis.set_facecolor(SHADE)
    axis.imshow(values[None], cmap=scale.colours, vmin=scale.low, vmax=scale.high,
                extent=(first - 0.5, last + 0.5, 0, 1))  # fmt: skip
    axis.spines[:].set_visible(True)
    inches = axis.bbox.width / mpl.rcParams["figure.dpi"]
    step = drawing.few_ticks(len(values), most=max(2, int(2.2 * inches)))[1]
    ticks = list(range(-(-first // step) * step, last + 1, step))
    axis.set_xticks([first, *ticks] if ticks[0] - first > step / 2 else ticks)
    axis.set_yticks([])
    axis.tick_params(bottom=False, labelbottom=False, length=2, pad=2)


@telling
def along(values: dict[str, Tensor], *, window: int, first: int = 1, label: str = "") -> Figure:
    """Draw how something changes along sequences: its mean in windows, and a standard error.

    Args:
        values: for each model a tensor (T, S), one row for each bit and one column for each
            sequence. What does not fill a last window is left out.
        window: bits that are averaged into one point.
        first: number of the first row's bit.
        label: names the upright axis.

    Raises:
        ValueError: if there is nothing to draw, or less than one window.
    """
    first = whole("first", first, None)
    check_positive(window=window)
    figure, axis = plt.subplots(figsize=(WIDTH, 3.2))
    for place, (name, tensor) in enumerate(given("values", values).items()):
        array = as_array(name, tensor, "T S")
        count = len(array) // window
        if not count:
            raise ValueError(f"window: expected at most {len(array)} bits, got {window}")
        parts = array[: count * window].reshape(count, window, -1).mean(1)
        mean, error = parts.mean(1), parts.std(1, ddof=1) / np.sqrt(parts.shape[1])
        at, look = first + (np.arange(count) + 0.5) * window - 0.5, look_of(name, place)
        axis.plot(at, mean, **look)
        axis.fill_between(
            at, mean - error, mean + error, color=look["color"], alpha=0.25, linewidth=0
        )
    axis.set(xlabel="bit", ylabel=label)
    axis.set_ylim(bottom=0)
    axis.grid(axis="y")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure
