"""Results: learning curves, and how wrong the answers are as sequences get harder."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter

from ntm_tutorial.checks import check_number, telling
from ntm_tutorial.evaluation import Evaluation
from ntm_tutorial.plots.checks import given
from ntm_tutorial.plots.style import (
    COLOURS,
    FAINT,
    INK,
    LABELS,
    MARK,
    OTHERS,
    SHADE,
    WIDTH,
    look_of,
)
from ntm_tutorial.training import History

FLOOR = 1e-3
"""Smaller costs are drawn here, so that they have a place on a logarithmic axis."""


@telling
def learning_curves(
    histories: Mapping[str, History | Sequence[History]],
    *,
    goal: float | None = None,
    goal_name: str = "goal",
    between: tuple[float, float] | None = None,
) -> Figure:
    """Draw the validation cost against the sequences seen, as Figure 3 of the paper does.

    Ours has a logarithmic cost axis, so that a solved task still shows.

    Args:
        histories: each model's, or those of all its runs, which are then drawn thin and their
            median thick; the three models' names get their colours and full names.
        goal: a cost to draw a line at.
        goal_name: what the line is called.
        between: the lowest and the highest cost of an axis that is linear instead.

    Raises:
        ValueError: if there is no history.
    """
    if goal is not None:
        check_number("goal", goal)
    figure, axis = plt.subplots(figsize=(WIDTH, 3.4))
    _draw_curves(axis, histories)
    if goal is not None:
        axis.axhline(goal, color=FAINT, linewidth=1, linestyle=":")
        above = 3 if between is None else -11  # curves end above a linear axis's line
        axis.annotate(f"{goal_name}: {goal:g} bits", (1, goal), (0, above), ha="right", size=8,
                      xycoords=("axes fraction", "data"), textcoords="offset points")  # fmt: skip
    axis.set(xlabel="sequences seen (thousands)", ylabel="bits per sequence")
    axis.set_yscale("log" if between is None else "linear")
    if between is not None:
        axis.set_ylim(between)
    axis.set_xlim(left=0)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.grid(which="major")
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def _draw_curves(axis: Axes, histories: Mapping[str, History | Sequence[History]]) -> None:
    """Draw a curve for each model; of many runs, all of them and their median."""
    for place, (name, found) in enumerate(given("histories", histories).items()):
        look = look_of(name, place) | {"marker": ""}
        runs = [found] if isinstance(found, History) else given("histories", found)
        if len(runs) > 1:
            thin = {"linewidth": 0.6, "alpha": 0.55, "linestyle": "-", "label": None}
            for run in runs:
                axis.plot(*_curve(run), **look | thin)
        axis.plot(*_curve(_median(runs)), **look)


def _curve(history: History) -> tuple[np.ndarray, np.ndarray]:
    return np.divide(history.sequences, 1000), np.maximum(history.validation_bits, FLOOR)


def _median(runs: Sequence[History]) -> History:
    """Return the curve of the median cost; a run that ended early keeps its last one."""
    seen = sorted({number for run in runs for number in run.sequences})
    costs = [np.interp(seen, run.sequences, run.validation_bits) for run in runs]
    return History(sequences=seen, validation_bits=list(np.median(costs, axis=0)))


@telling
def curve_panels(
    panels: Mapping[str, Mapping[str, History | Sequence[History]]],
    *,
    paper: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
) -> Figure:
    """Draw ``learning_curves`` of several tasks, a panel each.

    Args:
        panels: for each task what ``learning_curves`` takes.
        paper: by task and model, from where to where the paper's curve ends; a bar at the right.

    Raises:
        ValueError: if there is nothing to draw.
    """
    bar = Line2D([], [], color=FAINT, linewidth=5, label="where the paper's curve ends")
    figure, axes = _panels(given("panels", panels), *[bar] * bool(paper))
    for axis, (task, histories) in zip(axes, panels.items(), strict=True):
        _draw_curves(axis, histories)
        axis.set_yscale("log")
        _label_decades(axis.yaxis)
        axis.set_xlim(left=0)
        for place, (model, (low, high)) in enumerate((paper or {}).get(task, {}).items()):
            edge, x = axis.get_yaxis_transform(), 1.02 + 0.03 * place
            axis.plot([x, x], [low * 0.96, high * 1.04], color=COLOURS[model], linewidth=5,
                      solid_capstyle="butt", transform=edge, clip_on=False)  # fmt: skip
    figure.supxlabel("sequences seen (thousands)", size=9)
    figure.supylabel("bits per sequence", size=9)
    return figure


@telling
def strips(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    label: str,
    paper: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
    floor: float | None = None,
) -> Figure:
    """Draw a point for each run, a row for each model, a panel for each task.

    Args:
        panels: by task and model, one number for each run; their median gets a line.
        label: what the numbers are.
        paper: by task and model, from where to where the paper's number lies; a bar below.
        floor: make the axis logarithmic, and draw smaller numbers here.

    Raises:
        ValueError: if there is nothing to draw.
    """
    if floor is not None:
        check_number("floor", floor)
    keys = [Line2D([], [], color=INK, marker="|", markersize=12, linestyle="", label="median")]
    if paper:
        bar: dict[str, Any] = {"color": FAINT, "linewidth": 4, "marker": "|", "markersize": 7}
        keys.append(Line2D([], [], **bar, label="the paper, read off"))
    figure, axes = _panels(given("panels", panels), *keys)
    for axis, (task, models) in zip(axes, panels.items(), strict=True):
        for place, (model, values) in enumerate(models.items()):
            look = look_of(model, place) | {"linestyle": ""}
            numbers = np.maximum(values, -np.inf if floor is None else floor)
            axis.plot(numbers, np.full(len(numbers), -place), markersize=6, alpha=0.6, **look)
            axis.plot([np.median(numbers)] * 2, [-place - 0.3, -place + 0.3], color=INK, zorder=3)
            if model in (paper or {}).get(task, {}):
                ends = (paper or {})[task][model]
                axis.plot(ends, [-place - 0.38] * 2, color=look["color"], linewidth=4,
                          marker="|", markersize=7)  # fmt: skip
        axis.set_ylim(-len(models) + 0.4, 0.6)
        axis.set_yticks([])
        axis.grid(axis="x")
        if floor is not None:
            axis.set_xscale("log")
            low, high = axis.get_xlim()
            axis.set_xlim(low / 1.5, high * 1.5)
            _label_decades(axis.xaxis)
        else:
            axis.set_xlim(left=0)
    figure.supxlabel(label, size=9)
    return figure


def _label_decades(axis: Axis) -> None:
    """Label a logarithmic axis, between the decades too where it has few of them."""
    low, high = axis.get_view_interval()
    if high < 50 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _panels(tasks: Mapping[str, Any], *keys: Line2D) -> tuple[Figure, list[Axes]]:
    """Make a panel for each task, up to three in a row; the legend fills one that is over."""
    columns = min(len(tasks), 3)
    rows = -(-len(tasks) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(WIDTH, 0.6 + 1.9 * rows), squeeze=False)
    axes = list(grid.flat)
    for axis, task in zip(axes, tasks, strict=False):
        axis.set_title(task)
    for axis in axes[len(tasks) :]:
        axis.set_axis_off()
    names = dict.fromkeys(name for models in tasks.values() for name in models)
    handles = [Line2D([], [], **look_of(name, place)) for place, name in enumerate(names)]
    if len(axes) > len(tasks):
        axes[len(tasks)].legend(handles=[*handles, *keys], loc="center", handlelength=1.6)
    else:
        figure.legend(handles=[*handles, *keys], loc="outside upper center", ncols=3)
    return figure, axes[: len(tasks)]


@telling
def trainings(records: dict[str, Sequence[dict[str, Any]]], *, clip: float | None = None) -> Figure:
    """Draw recorded trainings: on the left what they cost, on the right how long gradients were.

    A line is one training. Costs above 400 bits are drawn there. On the right it goes through the
    median of a few updates at a time, and dots mark the longest gradient among them.

    Args:
        records: for each experiment its records, as ``failures.recorded`` returns them; the first
            is drawn in grey, behind the others.
        clip: a length to draw a line at, such as that to which gradients are shortened.

    Raises:
        ValueError: if there are no records.
    """
    figure, (cost, length) = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    for place, (name, found) in enumerate(given("records", records).items()):
        colour = OTHERS[place - 1] if place else FAINT
        for record in given("records", found):
            history, gradient = record["history"], record["gradient"]
            bits = np.array(history["validation_bits"], dtype=float)  # None becomes NaN, a gap
            seen = np.divide(history["sequences"], 1000)
            cost.plot(seen, np.clip(bits, None, 400), color=colour, linewidth=1.3)
            a_point = gradient["updates_a_point"] * record["recipe"]["training"]["batch_size"]
            seen = (np.arange(len(gradient["medians"])) + 0.5) * a_point / 1000
            length.plot(seen, gradient["medians"], color=colour, linewidth=0.9)
            length.plot(seen, gradient["maxima"], ".", color=colour, markersize=2.2)
        cost.plot([], [], color=colour, label=name)
    if clip is not None:
        length.axhline(clip, color=INK, linewidth=0.8, linestyle=":")
        length.annotate(f"clipped above {clip:g}", (1, clip), (0, 2), ha="right", size=7.5,
                        xycoords=("axes fraction", "data"), textcoords="offset points")  # fmt: skip
    cost.set(ylabel="bits per sequence")
    length.set(ylabel="length of the gradient")
    for axis in (cost, length):
        axis.set(xlabel="sequences seen (thousands)", yscale="log", xlim=(0, None))
        axis.grid(which="major")
    cost.yaxis.set_major_formatter("{x:g}")
    figure.legend(loc="outside upper center", ncols=3)
    return figure


@telling
def by_difficulty(
    results: dict[str, dict[int, Evaluation]],
    *,
    name: str = "length",
    trained_to: int | None = None,
    cost: bool = False,
) -> Figure:
    """Draw the mean wrong bits, and the share of perfect sequences, against a difficulty.

    Args:
        results: for each model what ``sweep`` returned.
        name: what the difficulty is called.
        trained_to: the hardest in training; up to there the background is shaded.
        cost: draw the cost in bits per sequence instead of the wrong bits, as Figure 11 does.

    Raises:
        ValueError: if there are no results.
    """
    if trained_to is not None:
        check_number("trained_to", trained_to)
    figure, (wrong, perfect) = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    for place, (model, found) in enumerate(given("results", results).items()):
        values, look = sorted(given("results", found)), look_of(model, place)
        means = [found[value].mean_bits if cost else found[value].mean_wrong for value in values]
        wrong.plot(values, means, **look)
        perfect.plot(values, [found[value].share_perfect for value in values], **look)
    wrong.set_yscale("symlog", linthresh=0.1)
    wrong.set_ylim(bottom=-0.01)
    wrong.yaxis.set_major_formatter("{x:g}")
    wrong.set(ylabel="bits per sequence" if cost else "mean wrong bits per sequence")
    perfect.set(ylabel="share of perfect sequences", ylim=(-0.03, 1.03))
    for axis in (wrong, perfect):
        axis.set(xlabel=name, xlim=(0, None))
        axis.grid(axis="y")
        if trained_to is not None:
            axis.axvspan(0, trained_to, color=SHADE, zorder=0)
            top = axis.get_xaxis_transform()
            axis.text(trained_to / 2, 1.02, "trained", transform=top, ha="center", size=8)
    figure.legend(*wrong.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


@telling
def by_repetition(
    panels: Mapping[str, Mapping[str, Sequence[float]]], trained_to: int | None = None
) -> Figure:
    """Draw a share for each repetition of an answer, a panel for each question.

    Args:
        panels: under each title the models and their shares, repetition by repetition.
        trained_to: a dashed line stands where repetitions go beyond these.

    Raises:
        ValueError: if there is nothing to draw.
    """
    figure, row = plt.subplots(1, len(given("panels", panels)), squeeze=False, figsize=(WIDTH, 2.9))
    for axis, (title, models) in zip(row[0], panels.items(), strict=True):
        for place, (model, shares) in enumerate(given("panels", models).items()):
            look = look_of(model, place) | {"markersize": 3}
            axis.plot(range(1, len(shares) + 1), shares, **look)
        repetitions = max(map(len, models.values()))
        axis.set(xlim=(0.5, repetitions + 0.5), xlabel="repetition")
        axis.set_title(title, size=8.5)
        axis.grid(axis="y")
        axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        if trained_to is not None and trained_to < repetitions:
            axis.axvline(trained_to + 0.5, color=FAINT, linestyle="--", linewidth=1)
    figure.legend(*row[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


@telling
def difficulty_maps(
    results: dict[str, dict[tuple[int, int], Evaluation]],
    trained_to: tuple[int, int] | None = None,
) -> Figure:
    """Map the share of wrong bits over length and repeats, a panel for each model.

    Args:
        results: for each model what ``grid`` returned; its rows run to the right here.
        trained_to: the hardest in training; what lies within is outlined.

    Raises:
        ValueError: if there are no results.
    """
    least = 1e-4
    scale = LogNorm(least, 0.5)
    figure, row = plt.subplots(
        1, len(given("results", results)), sharey=True, squeeze=False, figsize=(WIDTH, 2.95)
    )
    for axis, (model, found) in zip(row[0], results.items(), strict=True):
        across, up = (sorted({pair[i] for pair in given("results", found)}) for i in (0, 1))
        share = np.array([[found[x, y].share_wrong for x in across] for y in up])
        axis.imshow(np.maximum(share, least), norm=scale, origin="lower", aspect="equal")
        axis.set_xticks(range(len(across)), [str(value) for value in across], size=7)
        axis.set_yticks(range(len(up)), [str(value) for value in up], size=7)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_title(LABELS.get(model, model).replace(", ", ",\n"), size=8.5)
        axis.set_xlabel("length")
        if trained_to is not None:
            inside = [sum(value <= trained_to[i] for value in (across, up)[i]) for i in (0, 1)]
            axis.add_patch(Rectangle((-0.5, -0.5), *inside, fill=False, edgecolor=MARK,
                                     linewidth=1.8, clip_on=False, zorder=3))  # fmt: skip
    row[0, 0].set_ylabel("repeats")
    bar = figure.colorbar(row[0, 0].images[0], ax=list(row[0]), aspect=14, pad=0.015, fraction=0.03)
    ticks = {1e-4: "0.01% or less", 1e-3: "0.1%", 1e-2: "1%", 0.1: "10%", 0.5: "50%"}
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    bar.ax.minorticks_off()
    bar.ax.set_title("wrong bits", size=8)
    bar.outline.set_visible(False)
    return figure
