"""Results: learning curves, and how wrong the answers are as sequences get harder."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ntm_tutorial.evaluation import Evaluation
from ntm_tutorial.plots.checks import given
from ntm_tutorial.plots.drawing import write_title
from ntm_tutorial.plots.style import FAINT, LABELS, MARK, SHADE, WIDTH, look_of
from ntm_tutorial.training import History


def learning_curves(
    histories: dict[str, History],
    *,
    title: str = "",
    goal: float | None = None,
    goal_name: str = "goal",
    floor: float = 1e-3,
    between: tuple[float, float] | None = None,
) -> Figure:
    """Draw the validation cost against the sequences seen, as Figure 3 of the paper does.

    Ours has a logarithmic cost axis, so that a solved task still shows.

    Args:
        histories: each model's; the three models' names get their colours and full names.
        title: stands above.
        goal: a cost to draw a line at.
        goal_name: what the line is called.
        floor: smaller costs are drawn here.
        between: the lowest and the highest cost of an axis that is linear instead.

    Raises:
        ValueError: if there is no history, or ``floor`` is not positive.
    """
    if floor <= 0:
        raise ValueError(f"floor: expected a positive number, got {floor}")
    figure, axis = plt.subplots(figsize=(WIDTH, 3.4))
    for place, (name, history) in enumerate(given(histories).items()):
        cost = np.maximum(history.validation_bits, floor)
        axis.plot(np.divide(history.sequences, 1000), cost, **look_of(name, place) | {"marker": ""})
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
    write_title(figure, title)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


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
    figure, (wrong, perfect) = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    for place, (model, found) in enumerate(given(results).items()):
        values, look = sorted(given(found)), look_of(model, place)
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


def difficulty_maps(
    results: dict[str, dict[tuple[int, int], Evaluation]],
    names: tuple[str, str] = ("length", "repeats"),
    trained_to: tuple[int, int] | None = None,
) -> Figure:
    """Map the share of wrong bits over two difficulties, a panel for each model.

    Args:
        results: for each model what ``grid`` returned; its rows run to the right here.
        names: what the two difficulties are called.
        trained_to: the hardest in training; what lies within is outlined.

    Raises:
        ValueError: if there are no results.
    """
    least = 1e-4
    figure, row = plt.subplots(
        1, len(given(results)), sharey=True, squeeze=False, figsize=(WIDTH, 2.95)
    )
    for axis, (model, found) in zip(row[0], results.items(), strict=True):
        across, up = (sorted({pair[i] for pair in given(found)}) for i in (0, 1))
        share = [[max(found[x, y].share_wrong, least) for x in across] for y in up]
        axis.imshow(share, norm=LogNorm(least, 0.5), origin="lower", aspect="equal")
        axis.set_xticks(range(len(across)), [str(value) for value in across], size=7)
        axis.set_yticks(range(len(up)), [str(value) for value in up], size=7)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_title(LABELS.get(model, model).replace(", ", ",\n"), size=8.5)
        axis.set_xlabel(names[0])
        if trained_to is not None:
            inside = [sum(value <= trained_to[i] for value in (across, up)[i]) for i in (0, 1)]
            axis.add_patch(Rectangle((-0.5, -0.5), *inside, fill=False, edgecolor=MARK,
                                     linewidth=1.8, clip_on=False, zorder=3))  # fmt: skip
    row[0, 0].set_ylabel(names[1])
    bar = figure.colorbar(row[0, 0].images[0], ax=list(row[0]), aspect=14, pad=0.015, fraction=0.03)
    ticks = {least: "0.01% or less", 1e-3: "0.1%", 1e-2: "1%", 0.1: "10%", 0.5: "50%"}
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    bar.ax.minorticks_off()
    bar.ax.set_title("wrong bits", size=8)
    bar.outline.set_visible(False)
    return figure
