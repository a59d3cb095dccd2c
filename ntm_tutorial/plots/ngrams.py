"""Dynamic N-grams: what was predicted of a sequence of bits, and what recurs in it."""

from collections.abc import Sequence
from string import ascii_uppercase

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ntm_tutorial.checks import check_positive
from ntm_tutorial.plots.checks import Array, as_array, check_probabilities, given, same_steps
from ntm_tutorial.plots.drawing import (
    GREYS,
    Page,
    colour_bar,
    draw_cells,
    few_ticks,
    name_panel,
    point_at,
    probability_bar,
    scale_for,
    write_title,
)
from ntm_tutorial.plots.style import MARK, OTHERS, SHADE, WIDTH, look_of
from ntm_tutorial.tasks.dynamic_ngrams import CONTEXT


def predictions(
    bits: Tensor,
    rows: dict[str, Tensor],
    *,
    arrows: Sequence[int] = (),
    letters: str = ascii_uppercase,
    shown: tuple[int, int] | None = None,
) -> Figure:
    """Arrange bits over what was predicted for them, as Figure 14 of the paper does.

    A column stands for a bit: on top the bit itself, below it each prediction, made before the bit
    came. Bits are counted from 1; the coin flips at the start, which nobody can predict, stay
    blank. Here black is 0 and white is 1, as in the paper.

    Args:
        bits: a sequence (L,) of zeros and ones.
        rows: for each row's name, probabilities (L - 1,) of a 1; entry ``t`` is what was said
            after ``bits[t]``, about ``bits[t + 1]``.
        arrows: bits that red arrows point out.
        letters: what to write under the arrows.
        shown: the first and the last bit to draw; left out, all.

    Raises:
        ValueError: if there is no row, shapes do not fit, or ``shown`` or an arrow is outside.
    """
    length = len(as_array("bits", bits, "L"))
    first, last = shown or (1, length)
    if not 1 <= first < last <= length:
        raise ValueError(f"shown: expected two bits from 1 to {length}, got {shown}")
    if any(not first <= bit <= last for bit in arrows):
        raise ValueError(f"arrows: expected bits from {first} to {last}, got {list(arrows)}")
    panels = {"Input": as_array("bits", bits, "L")}
    for name, values in given(rows).items():
        check_probabilities(name, values)
        if values.shape != (length - 1,):
            raise ValueError(f"{name}: expected shape ({length - 1},), got {tuple(values.shape)}")
        said = np.insert(as_array(name, values, "L"), 0, np.nan)
        panels[name] = np.where(np.arange(length) < CONTEXT, np.nan, said)
    left, tall, gap, top, under = 0.72, 0.3, 0.07, 0.45, 0.66 if arrows else 0.46
    height = top + (tall + gap) * len(panels) + under
    page = Page(plt.figure(figsize=(WIDTH, height), layout="none"), WIDTH, height)
    probability_bar(page, GREYS)
    across = _across(WIDTH - left - 0.2, last - first + 1)
    for place, (name, values) in enumerate(panels.items()):
        axis = page.axes(left, height - top - tall - place * (tall + gap), across, tall)
        _strip(axis, values[first - 1 : last], first)
        name_panel(axis, name)
    axis.tick_params(labelbottom=True, bottom=True)
    axis.set_xlabel("bit")
    point_at(axis, arrows, letters=letters)
    return page.figure


def visits(
    strips: dict[str, Tensor],
    panels: dict[str, Tensor],
    marks: dict[str, dict[str, Sequence[int]]],
) -> Figure:
    """Follow recurring contexts through a sequence, as Figure 15 of the paper does.

    Args:
        strips: rows of greys at the top, each (T,), probabilities or bits.
        panels: what happened inside, each (T, rows): vectors added, weightings.
        marks: for a panel's name, what to point at: steps under each label. The first label's
            arrows are red, the second's green.

    Raises:
        ValueError: if there is nothing to draw, shapes do not fit, or marks name no panel.
    """
    rows = {name: as_array(name, values, "T") for name, values in given(strips).items()}
    drawn = {name: as_array(name, values, "T rows") for name, values in given(panels).items()}
    steps = same_steps(rows | drawn)
    for name in marks:
        if name not in drawn:
            raise ValueError(f"marks: expected panels of {list(drawn)}, got {name!r}")
    left, right, top, above = 0.48, 0.55, 0.4, 0.24
    tall = {name: min(1.8, max(0.8, 0.045 * array.shape[1])) for name, array in drawn.items()}
    space = {name: above + 0.16 * (name in marks) for name in drawn}
    height = top + 0.37 * len(rows) + sum(tall.values()) + sum(space.values()) + 0.45
    page = Page(plt.figure(figsize=(WIDTH, height), layout="none"), WIDTH, height)
    across = _across(WIDTH - left - right, steps)
    probability_bar(page, GREYS)
    y = height - top
    for name, array in rows.items():
        axis = page.axes(left, y - 0.3, across, 0.3)
        _strip(axis, array, 0)
        name_panel(axis, name)
        y -= 0.37
    for name, array in drawn.items():
        y -= above + tall[name]
        axis = page.axes(left, y, across, tall[name])
        scale = scale_for(array)
        draw_cells(axis, array, scale, cell=0.0)
        axis.set_title(name, pad=3, size=8.5)
        axis.set_yticks([])
        axis.tick_params(labelbottom=False, bottom=False)
        bar = page.axes(left + across + 0.07, y, 0.07, tall[name])
        colour_bar(page.figure, scale, "", cax=bar)
        bar.locator_params(axis="y", nbins=3)
        for colour, at in zip((MARK, OTHERS[0]), marks.get(name, {}).values(), strict=False):
            point_at(axis, at, colour)
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


def _strip(axis: Axes, values: Array, first: int) -> None:
    """Draw one row of greys, its columns counted from ``first``."""
    last = first + len(values) - 1
    axis.set_facecolor(SHADE)
    axis.imshow(
        values[None], cmap=GREYS.colours, vmin=0, vmax=1, extent=(first - 0.5, last + 0.5, 0, 1)
    )
    axis.spines[:].set_visible(True)
    step = few_ticks(len(values), most=12)[1]
    ticks = list(range(-(-first // step) * step, last + 1, step))
    axis.set_xticks([first, *ticks] if ticks[0] - first > step / 2 else ticks)
    axis.tick_params(bottom=False, labelbottom=False, length=2, pad=2)


def along(
    values: dict[str, Tensor], *, window: int, first: int = 1, label: str = "", title: str = ""
) -> Figure:
    """Draw how something changes along sequences: its mean in windows, and a standard error.

    Args:
        values: for each model a tensor (T, S), one row for each bit and one column for each
            sequence. What does not fill a last window is left out.
        window: bits that are averaged into one point.
        first: number of the first row's bit.
        label: names the upright axis.
        title: stands above.

    Raises:
        ValueError: if there is nothing to draw, or less than one window.
    """
    check_positive(window=window)
    figure, axis = plt.subplots(figsize=(WIDTH, 3.2))
    for place, (name, tensor) in enumerate(given(values).items()):
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
    write_title(figure, title)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure
