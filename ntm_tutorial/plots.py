"""Pictures for the book: one function per kind of figure, one style for all.

Every function takes tensors as the rest of the package makes them, and returns a matplotlib
``Figure``. Time runs to the right; channels and memory locations run down. Dark is nothing: bits,
probabilities and weightings are drawn in *cividis*, from dark 0 to yellow 1; signed values in
``SIGNED``, which goes on below zero from dark to cyan. Both maps are perceptual, and the
colour-blind can read them.
"""

import functools
import io
import textwrap
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby, repeat
from string import ascii_uppercase
from typing import Any, Literal, NamedTuple, ParamSpec

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import Tensor

from ntm_tutorial.checks import check_positive
from ntm_tutorial.evaluation import Evaluation
from ntm_tutorial.ntm import NTMTrace
from ntm_tutorial.tasks import Episode
from ntm_tutorial.tasks.dynamic_ngrams import CONTEXT
from ntm_tutorial.training import History

Array = NDArray[np.float64]

WIDTH = 7.0
"""Width of a full figure in inches; at 100 dpi it fills a page of 700 pixels."""

PAPER, INK, FAINT, MARK = "#fcfbf8", "#23272f", "#8b8f98", "#d7263d"
"""Background, text, lesser text and lines, and whatever a reader should look at."""

SHADE = "#e9e5d8"
"""Behind a training range, and where there is nothing to show."""

PAIR_GAP = 0.07
"""Inches between a case's targets and its outputs."""

COLOURS = {"ntm-feedforward": "#0072b2", "ntm-lstm": "#d55e00", "lstm": "#5b5f66"}
"""The three models, told apart by hue and by lightness."""

MARKERS = {"ntm-feedforward": "o", "ntm-lstm": "s", "lstm": "^"}
DASHES = {"ntm-feedforward": "-", "ntm-lstm": "-", "lstm": (0, (4, 1.5))}
LABELS = {
    "ntm-feedforward": "NTM, feed-forward controller",
    "ntm-lstm": "NTM, LSTM controller",
    "lstm": "LSTM",
}
OTHERS = ("#009e73", "#8f4f9f", "#b08900", "#23272f")
"""Colours for whatever else is compared."""

CYANS = ("#b3eeff", "#70c3e3", "#2687b8", "#0e4a80", "#00224e")
SIGNED = LinearSegmentedColormap.from_list(
    "signed", [*CYANS, *(to_hex(mpl.colormaps["cividis"](level / 4)) for level in range(1, 5))]
)
"""Cividis with a second arm below zero, as light at -1 as cividis is at 1."""

STYLE: dict[Any, Any] = {
    "axes.edgecolor": FAINT,
    "axes.facecolor": PAPER,
    "axes.grid": False,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.facecolor": PAPER,
    "figure.titlesize": 11,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 9,
    "grid.color": "#e2e0da",
    "grid.linewidth": 0.8,
    "image.aspect": "auto",
    "image.cmap": "cividis",
    "image.interpolation": "nearest",
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "mathtext.fontset": "dejavusans",
    "savefig.dpi": 100,
    "savefig.facecolor": PAPER,
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}


def use_style() -> None:
    """Set the book's style for every figure that follows.

    In a notebook it also keeps figures at the size they were made, so that they are the same size
    everywhere; notebooks otherwise trim the margins.
    """
    mpl.rcParams.update(STYLE)
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("png", bbox_inches=None)


# --- sequences -----------------------------------------------------------------------------------


def sequence(rows: dict[str, Tensor], title: str = "", arrows: Iterable[int] = ()) -> Figure:
    """Stack panels that share the time axis.

    Args:
        rows: a tensor (T, channels) for each panel, named as it is to be labelled.
        title: stands above.
        arrows: steps that red arrows point out, below the last panel.

    Raises:
        ValueError: if there is no panel, or the panels differ in their number of steps.
    """
    panels = {name: _array(name, values, "T channels") for name, values in _given(rows).items()}
    steps = _same_steps(panels)
    cell = min(0.22, (WIDTH - 1.4) / steps)
    heights = [max(cell, 0.075) * max(array.shape[1], 2) for array in panels.values()]
    figure, grid = plt.subplots(
        len(panels),
        sharex=True,
        squeeze=False,
        figsize=(
            1.4 + cell * steps,
            sum(heights) + 0.12 * len(panels) + 0.55 + 0.3 * bool(title),
        ),
        height_ratios=heights,
    )
    axes = list(grid[:, 0])
    _draw_panels(figure, dict(zip(axes, panels.values(), strict=True)))
    for axis, name in zip(axes, panels, strict=True):
        _name_panel(axis, name)
    axes[-1].set_xlabel("time step")
    _point(axes[-1], arrows)
    _title(figure, title)
    return figure


def episode(episode: Episode, outputs: Tensor | None = None, index: int = 0) -> Figure:
    """Show one sequence of a task: its inputs, its targets and, where given, a model's outputs.

    Steps whose outputs do not count are veiled; padding after the end is left out.

    Args:
        episode: a batch of sequences.
        outputs: probabilities (T, B, O); for a model's logits, ``torch.sigmoid(logits)``.
        index: which sequence of the batch.

    Raises:
        ValueError: if there is no such sequence, or outputs are not probabilities of that shape.
    """
    inputs, targets, mask = _one(episode, index)
    rows = {"inputs": inputs, "targets": targets}
    if outputs is not None:
        if outputs.shape != episode.targets.shape:
            raise ValueError(
                f"outputs: expected the targets' shape {tuple(episode.targets.shape)}, "
                f"got {tuple(outputs.shape)}"
            )
        _check_probabilities("outputs", outputs)
        rows["outputs"] = outputs[: len(mask), index]
    figure = sequence(rows)
    for axis in figure.axes[1 : len(rows)]:
        _veil(axis, ~mask)
    return figure


def targets_and_outputs(
    cases: Sequence[tuple[str, Tensor, Tensor]],
    title: str = "",
    marks: Literal["wrong"] | Sequence[Tensor | None] | None = None,
) -> Figure:
    """Arrange targets over outputs for several sequences, as Figures 4, 5 and 8 of the paper do.

    Every step is equally wide, so a sequence's width is its length. As many cases stand side by
    side as fit.

    Args:
        cases: a title, the targets (T, O) and the outputs (T, O), as probabilities, of each.
        title: stands above.
        marks: ``"wrong"`` puts a red frame round every wrong bit. Or one boolean tensor, or None,
            for each case: (T, O) frames those bits, (T,) puts a red arrow under those steps.

    Raises:
        ValueError: if there is no case, or tensors do not fit each other.
    """
    drawn = [_case(*case) for case in _given(list(cases))]
    marked = _marks(drawn, marks)
    lengths = [len(targets) for _, targets, _ in drawn]
    lines = _pack(lengths, max(120, *lengths))
    left, right, top, gap = 0.72, 0.12, 0.64, 0.22
    rooms = [WIDTH - left - right - gap * (len(line) - 1) for line in lines]
    longest = [sum(lengths[i] for i in line) for line in lines]
    cell = min(0.17, *(room / steps for room, steps in zip(rooms, longest, strict=True)))
    tall = [max(cell, 0.075) * max(drawn[i][1].shape[1] for i in line) for line in lines]
    under = [0.85 if any(_is_arrow(marked[i]) for i in line) else 0.68 for line in lines]
    height = top + sum(2 * one + PAIR_GAP for one in tall) + sum(under) - 0.2
    page = _Page(plt.figure(figsize=(WIDTH, height), layout="none"), WIDTH, height)
    page.text(left, height - 0.13, title, va="top", size=mpl.rcParams["figure.titlesize"])
    _probability_bar(page)
    y = height - top
    for line, one, space in zip(lines, tall, under, strict=True):
        x = left
        for i in line:
            _draw_case(page, (x, y), (cell, one), drawn[i], marked[i], named=i == line[0])
            x += cell * lengths[i] + gap
        page.figure.axes[-1].set_xlabel("time step")
        y -= 2 * one + PAIR_GAP + space
    return page.figure


def _draw_case(
    page: "_Page",
    at: tuple[float, float],
    size: tuple[float, float],
    case: tuple[str, Array, Array],
    marks: Tensor | None,
    named: bool,
) -> None:
    """Draw one case's targets over its outputs, ``at`` their upper left corner."""
    (x, y), (cell, tall), (title, targets, outputs) = at, size, case
    across = cell * len(targets)
    upper = page.axes(x, y - tall, across, tall)
    lower = page.axes(x, y - 2 * tall - PAIR_GAP, across, tall)
    for axis, array, name in ((upper, targets, "targets"), (lower, outputs, "outputs")):
        _cells(axis, array, UNIT, cell)
        _name_panel(axis, name if named else "")
    upper.set_xticks([])
    upper.set_title(title, pad=4, size=8.5)
    lower.set_xticks(_few(len(targets), most=max(2, int(across / 0.3))))
    _mark(lower, marks, cell)


def repeat_copies(
    blocks: dict[str, Sequence[tuple[str, int, Tensor, Tensor]]], trained_repeats: int | None = None
) -> Figure:
    """Arrange repeat copies as Figure 8 of the paper does: a block of cases for each model.

    Each case shows targets over outputs. The end marker has a strip of its own below the eight
    bits; red bars below that count the wrong bits of each step; the axis counts repetitions.

    Args:
        blocks: under each model's name its cases: a title, the length of the copied sequence,
            the targets (T, O) and the outputs (T, O), as probabilities, from the first answer on.
        trained_repeats: a dashed line stands where a longer answer goes beyond these.

    Raises:
        ValueError: if there is no block or case, or tensors do not fit each other.
    """
    drawn = [
        (model, length, _case(title, targets, outputs))
        for model, cases in _given(blocks).items()
        for title, length, targets, outputs in _given(list(cases))
    ]
    steps = max(len(targets) for _, _, (_, targets, _) in drawn)
    left, top, tall, below = 0.75, 0.45, 0.64, 0.72
    cell = min(0.12, (WIDTH - left - 0.18) / steps)
    cell = int(100 * cell) / 100 or cell  # whole pixels, so that all steps are equally wide
    height = top + len(blocks) * 0.28 + len(drawn) * (2 * tall + below)
    page = _Page(plt.figure(figsize=(WIDTH, height), layout="none"), WIDTH, height)
    _probability_bar(page)
    y, before = height - top, ""
    for model, length, case in drawn:
        if model != before:
            page.text(0.1, y, model, va="bottom", size=11, weight="bold")
            y, before = y - 0.28, model
        _draw_repeats(page, (left, y), (cell, tall), case, length, trained_repeats)
        y -= 2 * tall + below
    page.text(left, 0.08, "repetition (time runs to the right)")
    return page.figure


def _draw_repeats(
    page: "_Page",
    at: tuple[float, float],
    size: tuple[float, float],
    case: tuple[str, Array, Array],
    length: int,
    trained_repeats: int | None,
) -> None:
    """Draw one case of Figure 8, ``at`` its upper left corner; all sizes are in inches."""
    (x, y), (cell, tall), (title, targets, outputs) = at, size, case
    across, strip = cell * len(targets), 0.12
    starts = np.arange(0, len(targets) - 1, length)
    for name, array in (("targets", targets), ("outputs", outputs)):
        bits = page.axes(x, y - tall + strip + 0.02, across, tall - strip - 0.02)
        end = page.axes(x, y - tall, across, strip)
        for axis, part in ((bits, array[:, :-1]), (end, array[:, -1:])):
            _cells(axis, part, UNIT, 0.0)
            axis.set_xticks([])
        _name_panel(bits, name)
        end.set_yticks([])
        end.set_ylabel("end", rotation=0, ha="right", va="center", labelpad=6, size=7)
        if name == "targets":
            bits.set_title(title, pad=3, size=8.5)
            end.text(len(targets), 0, "◂", va="center", size=8)  # here the end is due
        y -= tall + 0.06
    wrong = page.axes(x, y - 0.14, across, 0.16)
    count = ((targets > 0.5) != (outputs > 0.5)).sum(1)
    wrong.bar(range(len(count)), count, width=1.0, color=MARK)
    wrong.set(xlim=(-0.5, len(targets) - 0.5), ylim=(0, targets.shape[1]))
    _name_panel(wrong, "wrong")
    wrong.yaxis.label.set(size=7, color=MARK)
    wrong.set_xticks(starts - 0.5, minor=True)
    wrong.set_xticks(starts + length / 2 - 0.5, [str(n) for n in range(1, len(starts) + 1)])
    wrong.tick_params(axis="x", which="major", length=0, pad=2, labelsize=7)
    wrong.tick_params(axis="x", which="minor", length=3)
    if trained_repeats is not None and trained_repeats < len(starts):
        panels, step = page.figure.axes[-5:], trained_repeats * length - 0.5
        for axis in panels:
            axis.axvline(step, color=MARK, linestyle=(0, (2, 2)), linewidth=1)
        over = panels[0].get_xaxis_transform()
        panels[0].text(step + 1, 1.04, "beyond training", transform=over, size=7, color=MARK)


def _probability_bar(page: "_Page", scale: "Scale | None" = None) -> None:
    """Draw a small colour bar in the upper right corner."""
    x, y = WIDTH - 1.1, page.height - 0.2
    bar = page.axes(x, y - 0.05, 0.8, 0.1)
    _bar(page.figure, scale or UNIT, "", cax=bar, orientation="horizontal", ticks=[])
    page.text(x - 0.3, y, "probability of a 1", va="center", ha="right", size=8)
    page.text(x - 0.05, y, "0", va="center", ha="right", size=8)
    page.text(x + 0.85, y, "1", va="center", size=8)


# --- inside the machine --------------------------------------------------------------------------


def memory_use(
    episode: Episode,
    logits: Tensor,
    trace: NTMTrace,
    index: int = 0,
    locations: tuple[int, int] | None = None,
    *,
    head: int = 0,
) -> Figure:
    """Show how a machine used its memory, as Figure 6 of the paper does.

    On the left the inputs, what was added to the memory, and where; on the right the outputs,
    what was read, and where from. Steps whose outputs do not count are veiled.

    Args:
        episode: the batch of sequences that the machine saw.
        logits: its outputs, from ``model.trace``.
        trace: its trace, from ``model.trace``.
        index: which sequence of the batch.
        locations: first location shown, and one past the last; left out, those that were used.
        head: which read head and which write head.

    Raises:
        ValueError: if there is no such sequence or head, or ``locations`` is empty.
    """
    inputs, _, mask = _one(episode, index)
    steps = len(mask)
    _check_index("head", head, min(trace.add_vector.shape[2], trace.reads.shape[2]))
    write = _array("write", trace.write_weighting[:steps, index, head], "T N")
    read = _array("read", trace.read_weighting[:steps, index, head], "T N")
    shown = used_locations(write, read) if locations is None else _span(locations, write.shape[1])
    panels = {
        "inputs": _array("inputs", inputs, "T I"),
        "outputs": _array("outputs", logits[:steps, index].sigmoid(), "T O"),
        "vectors added": _array("adds", trace.add_vector[:steps, index, head], "T M"),
        "vectors read": _array("reads", trace.reads[:steps, index, head], "T M"),
        "write weighting": write[:, shown],
        "read weighting": read[:, shown],
    }
    shape = [inputs.shape[1] + 1, trace.reads.shape[-1], min(40, max(14, len(shown)))]
    size = (WIDTH, 1.4 + 0.085 * sum(shape))
    figure, grid = plt.subplots(3, 2, sharex=True, figsize=size, height_ratios=shape)
    axes = dict(zip(panels, grid.flat, strict=True))
    for names, label in zip(
        (("inputs", "outputs"), ("vectors added", "vectors read"), tuple(panels)[4:]),
        ("probability", "value", "weight"),
        strict=True,
    ):
        _draw_panels(figure, {axes[name]: panels[name] for name in names}, label)
    _veil(axes["outputs"], ~mask)
    for name, axis in axes.items():
        axis.set_title(name, pad=3)
        axis.set_yticks([])
    for axis, label in zip(grid[:, 0], ("channel", "component", "location"), strict=True):
        axis.set_ylabel(label)
    round_ones = _few(write.shape[1], most=8 * write.shape[1] // len(shown))
    ticks = [row for row, location in enumerate(shown) if location in round_ones]
    grid[2, 0].set_yticks(ticks, [str(shown[row]) for row in ticks])
    for axis in grid[2]:
        axis.set_xlabel("time step")
    return figure


def used_locations(*weightings: Array, least: float = 0.1) -> list[int]:
    """Return the shortest run of memory locations, round the end, that holds every focus.

    Args:
        weightings: each (T, N).
        least: a location counts as used where a weighting once reaches this.
    """
    used = np.flatnonzero(np.max([weighting.max(0) for weighting in weightings], axis=0) >= least)
    count = weightings[0].shape[1]
    if len(used) == 0:
        return list(range(count))
    gaps = np.diff(np.append(used, used[0] + count))
    start = used[(int(gaps.argmax()) + 1) % len(used)]
    return [int(i) % count for i in range(start, start + count - int(gaps.max()) + 1)]


def weighting_bars(weightings: dict[str, Tensor], title: str = "") -> Figure:
    """Draw each weighting as bars over the memory locations, one below the other.

    Args:
        weightings: a tensor (N,) for each; leading dimensions of size 1 are dropped.
        title: stands above.

    Raises:
        ValueError: if there is none, or they differ in their number of locations.
    """
    bars = {name: _array(name, values, "N") for name, values in _given(weightings).items()}
    count = _same_steps(bars, "locations")
    figure, grid = plt.subplots(
        len(bars),
        sharex=True,
        sharey=True,
        squeeze=False,
        figsize=(WIDTH * 0.8, 0.75 * len(bars) + 0.5 + 0.3 * bool(title)),
    )
    for axis, (name, values) in zip(grid[:, 0], bars.items(), strict=True):
        axis.bar(range(count), values, width=0.8, color=COLOURS["ntm-feedforward"])
        _name_panel(axis, name)
        axis.set_ylim(0, max(1.0, *(one.max() for one in bars.values())))
        axis.set_yticks([0, 1])
        axis.grid(axis="y")
        axis.set_axisbelow(True)
    grid[-1, 0].set_xlabel("memory location")
    grid[-1, 0].set_xticks(range(count) if count <= 20 else _few(count))
    grid[-1, 0].set_xlim(-0.6, count - 0.4)
    _title(figure, title)
    return figure


def matrix(
    values: Tensor,
    title: str = "",
    row_label: str = "",
    column_label: str = "",
    numbers: bool = True,
) -> Figure:
    """Draw a matrix such as a small memory, with its numbers in the cells.

    Args:
        values: (rows, columns); leading dimensions of size 1 are dropped.
        title: stands above.
        row_label: what a row is, such as "location".
        column_label: what a column is.
        numbers: write each value into its cell.

    Raises:
        ValueError: if ``values`` is no matrix.
    """
    return matrices({title: values}, row_label, column_label, numbers)


def matrices(
    values: dict[str, Tensor],
    row_label: str = "",
    column_label: str = "",
    numbers: bool = True,
) -> Figure:
    """Draw several matrices side by side on one colour scale; see ``matrix``.

    Raises:
        ValueError: if there is none, or one is no matrix.
    """
    arrays = {name: _array(name, one, "rows columns") for name, one in _given(values).items()}
    scale = _scale(*arrays.values())
    columns = [array.shape[1] for array in arrays.values()]
    rows = max(array.shape[0] for array in arrays.values())
    cell = min(0.48, (WIDTH - 1.3 - 0.3 * len(arrays)) / sum(columns))
    figure, grid = plt.subplots(
        1,
        len(arrays),
        squeeze=False,
        figsize=(cell * sum(columns) + 1.3 + 0.3 * len(arrays), cell * rows + 0.9),
        width_ratios=columns,
    )
    axes = list(grid[0])
    for axis, (name, array) in zip(axes, arrays.items(), strict=True):
        _cells(axis, array.T, scale, cell)
        axis.set_aspect("equal")
        axis.set_title(name)
        axis.set_xlabel(column_label)
        axis.set_xticks(range(array.shape[1]) if array.shape[1] <= 12 else _few(array.shape[1]))
        axis.set_yticks(range(array.shape[0]) if array.shape[0] <= 20 else _few(array.shape[0]))
        if numbers:
            _write_numbers(axis, array, scale, cell)
    axes[0].set_ylabel(row_label)
    _bar(figure, scale, "value", ax=axes, aspect=12, pad=0.02, fraction=0.05)
    return figure


# --- results -------------------------------------------------------------------------------------


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
    for place, (name, history) in enumerate(_given(histories).items()):
        cost = np.maximum(history.validation_bits, floor)
        axis.plot(np.divide(history.sequences, 1000), cost, **_look(name, place) | {"marker": ""})
    if goal is not None:
        axis.axhline(goal, color=FAINT, linewidth=1, linestyle=":")
        axis.annotate(f"{goal_name}: {goal:g} bits", (1, goal), (0, 3), ha="right", size=8,
                      xycoords=("axes fraction", "data"), textcoords="offset points")  # fmt: skip
    axis.set(xlabel="sequences seen (thousands)", ylabel="bits per sequence")
    axis.set_yscale("log" if between is None else "linear")
    if between is not None:
        axis.set_ylim(between)
    axis.set_xlim(left=0)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.grid(which="major")
    _title(figure, title)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def by_difficulty(
    results: dict[str, dict[int, Evaluation]],
    *,
    name: str = "length",
    trained_to: int | None = None,
) -> Figure:
    """Draw the mean wrong bits, and the share of perfect sequences, against a difficulty.

    Args:
        results: for each model what ``sweep`` returned.
        name: what the difficulty is called.
        trained_to: the hardest in training; up to there the background is shaded.

    Raises:
        ValueError: if there are no results.
    """
    figure, (wrong, perfect) = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    for place, (model, found) in enumerate(_given(results).items()):
        values, look = sorted(_given(found)), _look(model, place)
        wrong.plot(values, [found[value].mean_wrong for value in values], **look)
        perfect.plot(values, [found[value].share_perfect for value in values], **look)
    wrong.set_yscale("symlog", linthresh=0.1)
    wrong.set_ylim(bottom=-0.01)
    wrong.yaxis.set_major_formatter("{x:g}")
    wrong.set(ylabel="mean wrong bits per sequence")
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
        1, len(_given(results)), sharey=True, squeeze=False, figsize=(WIDTH, 2.95)
    )
    for axis, (model, found) in zip(row[0], results.items(), strict=True):
        across, up = (sorted({pair[i] for pair in _given(found)}) for i in (0, 1))
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


# --- predictions of a sequence of bits -----------------------------------------------------------


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
    length = len(_array("bits", bits, "L"))
    first, last = shown or (1, length)
    if not 1 <= first < last <= length:
        raise ValueError(f"shown: expected two bits from 1 to {length}, got {shown}")
    if any(not first <= bit <= last for bit in arrows):
        raise ValueError(f"arrows: expected bits from {first} to {last}, got {list(arrows)}")
    panels = {"Input": _array("bits", bits, "L")}
    for name, values in _given(rows).items():
        _check_probabilities(name, values)
        if values.shape != (length - 1,):
            raise ValueError(f"{name}: expected shape ({length - 1},), got {tuple(values.shape)}")
        said = np.insert(_array(name, values, "L"), 0, np.nan)
        panels[name] = np.where(np.arange(length) < CONTEXT, np.nan, said)
    left, tall, gap, top, under = 0.72, 0.3, 0.07, 0.45, 0.66 if arrows else 0.46
    height = top + (tall + gap) * len(panels) + under
    page = _Page(plt.figure(figsize=(WIDTH, height), layout="none"), WIDTH, height)
    _probability_bar(page, GREYS)
    across = _across(WIDTH - left - 0.2, last - first + 1)
    for place, (name, values) in enumerate(panels.items()):
        axis = page.axes(left, height - top - tall - place * (tall + gap), across, tall)
        _strip(axis, values[first - 1 : last], first)
        _name_panel(axis, name)
    axis.tick_params(labelbottom=True, bottom=True)
    axis.set_xlabel("bit")
    _point(axis, arrows, letters=letters)
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
    rows = {name: _array(name, values, "T") for name, values in _given(strips).items()}
    drawn = {name: _array(name, values, "T rows") for name, values in _given(panels).items()}
    steps = _same_steps(rows | drawn)
    for name in marks:
        if name not in drawn:
            raise ValueError(f"marks: expected panels of {list(drawn)}, got {name!r}")
    left, right, top, above = 0.48, 0.55, 0.4, 0.24
    tall = {name: min(1.8, max(0.8, 0.045 * array.shape[1])) for name, array in drawn.items()}
    space = {name: above + 0.16 * (name in marks) for name in drawn}
    height = top + 0.37 * len(rows) + sum(tall.values()) + sum(space.values()) + 0.45
    page = _Page(plt.figure(figsize=(WIDTH, height), layout="none"), WIDTH, height)
    across = _across(WIDTH - left - right, steps)
    _probability_bar(page, GREYS)
    y = height - top
    for name, array in rows.items():
        axis = page.axes(left, y - 0.3, across, 0.3)
        _strip(axis, array, 0)
        _name_panel(axis, name)
        y -= 0.37
    for name, array in drawn.items():
        y -= above + tall[name]
        axis = page.axes(left, y, across, tall[name])
        scale = _scale(array)
        _cells(axis, array, scale, cell=0.0)
        axis.set_title(name, pad=3, size=8.5)
        axis.set_yticks([])
        axis.tick_params(labelbottom=False, bottom=False)
        bar = page.axes(left + across + 0.07, y, 0.07, tall[name])
        _bar(page.figure, scale, "", cax=bar)
        bar.locator_params(axis="y", nbins=3)
        for colour, at in zip((MARK, OTHERS[0]), marks.get(name, {}).values(), strict=False):
            _point(axis, at, colour)
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
    step = _few(len(values), most=12)[1]
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
    for place, (name, tensor) in enumerate(_given(values).items()):
        array = _array(name, tensor, "T S")
        count = len(array) // window
        if not count:
            raise ValueError(f"window: expected at most {len(array)} bits, got {window}")
        parts = array[: count * window].reshape(count, window, -1).mean(1)
        mean, error = parts.mean(1), parts.std(1, ddof=1) / np.sqrt(parts.shape[1])
        at, look = first + (np.arange(count) + 0.5) * window - 0.5, _look(name, place)
        axis.plot(at, mean, **look)
        axis.fill_between(
            at, mean - error, mean + error, color=look["color"], alpha=0.25, linewidth=0
        )
    axis.set(xlabel="bit", ylabel=label)
    axis.set_ylim(bottom=0)
    axis.grid(axis="y")
    _title(figure, title)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


# --- explorers -----------------------------------------------------------------------------------
# Drawn again at every touch of a slider. So they stay clear of pyplot, which would keep each one,
# and lie on a single pair of axes, measured in inches: matplotlib's axes and layouts take most of
# the time that a figure takes.

P = ParamSpec("P")

NAME_ROOM, STEP_ROOM = 1.35, 6.4
"""Inches for the panels' names, and for the steps."""


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


def png(figure: Figure) -> bytes:
    """Render a figure once, as it is, to the bytes of a PNG file."""
    file = io.BytesIO()
    with mpl.rc_context({"text.hinting": "none"}):  # a third of the time goes without
        figure.savefig(file, format="png", dpi="figure", pil_kwargs={"compress_level": 1})
    return file.getvalue()


def _in_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the book's style, whether or not ``use_style`` was called, and without a layout."""

    @functools.wraps(draw)
    def styled(*args: P.args, **settings: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE | {"figure.constrained_layout.use": False}):
            return draw(*args, **settings)

    return styled


@_in_style
def timeline(
    panels: Sequence[tuple[str, Tensor]], *, step: int | None = None, tape: Tape | None = None
) -> Figure:
    """Stack panels that share the time axis and, below, show the memory at one step.

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
        _array(name, values, "T channels" if values.dim() > 1 else "T")
        for name, values in _given(panels)
    ]
    steps = _same_steps({name: array for (name, _), array in zip(panels, arrays, strict=True)})
    if step is not None:
        _check_index("step", step, steps)
    most = max([1.0, *(array.max() for array in arrays if array.ndim == 1)])
    pixel = 0.01
    cell = min(0.22, max(STEP_ROOM / steps // pixel * pixel, pixel))  # whole pixels, crisp edges
    across = min(STEP_ROOM, cell * steps)
    heights = [0.2 if array.ndim == 1 else _map_height(array) for array in arrays]
    end = 0.4 + sum(heights) + 0.09 * len(heights)
    sheet = _Sheet(NAME_ROOM + STEP_ROOM + 0.15, end + (2.62 if tape else 0.38))
    sheet.scale_bar(0.2, UNIT, "probability, weight")
    y = 0.4
    for (name, _), array, tall in zip(panels, arrays, heights, strict=True):
        box = (NAME_ROOM, y, across, tall)
        sheet.name(name, y + tall / 2)
        if array.ndim == 2:
            sheet.cells(array, UNIT, box)
        else:
            sheet.bars(array / most, MARK, box, filled=1.0)
        y += tall + 0.09
    sheet.ticks({t: str(t) for t in _few(steps, most=max(2, int(across / 0.45)))}, steps, box)
    sheet.text(NAME_ROOM + across / 2, y + 0.2, "time step", ha="center")
    if step is not None:
        at = NAME_ROOM + across * (step + 0.5) / steps
        sheet.axis.vlines(at, 0.36, y - 0.05, color=MARK, linewidth=1)
    if tape:
        _draw_tape(sheet, tape, end + 0.5, f"memory after step {step}")
    return sheet.figure


def _map_height(array: Array) -> float:
    return min(max(0.055 * array.shape[1], 0.2), 0.95)


def _draw_tape(sheet: "_Sheet", tape: Tape, y: float, title: str) -> None:
    """Draw the memory with locations to the right, and the heads' weightings above it."""
    size = max(abs(tape.low), abs(tape.high)) or 1.0
    scale = Scale(SIGNED, -size, size) if tape.low < 0 else Scale(UNIT.colours, 0.0, size)
    sheet.text(0.08, y, title, size=9.5)
    sheet.scale_bar(y, scale, "value")
    count = len(tape.locations)
    across = min(0.3, STEP_ROOM / count) * count
    for name, weighting, colour in (
        ("read weighting", tape.read, COLOURS["ntm-feedforward"]),
        ("write weighting", tape.write, COLOURS["ntm-lstm"]),
    ):
        weights = _array(name, weighting, "N")[tape.locations]
        sheet.bars(weights, colour, (NAME_ROOM, y + 0.2, across, 0.3))
        sheet.name(name, y + 0.38)
        y += 0.36
    box = (NAME_ROOM, y + 0.22, across, 0.8)
    sheet.cells(_array("memory", tape.memory, "N M")[tape.locations], scale, box)
    sheet.name("memory rows", y + 0.62)
    locations = len(tape.read)
    round_ones = _few(locations, most=max(2, int(across / 0.3 * locations / count)))
    at = {place: str(i) for place, i in enumerate(tape.locations) if i in round_ones}
    sheet.ticks(at, count, box)
    sheet.text(NAME_ROOM + across / 2, y + 1.29, "location", ha="center")


@_in_style
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
    rows, wanted = _array("memory", memory, "N M"), _array("key", key, "M")[None]
    alike = _array("similarity", similarity, "N")[:, None]
    bars = {name: _array(name, one, "N") for name, one in _given(weightings).items()}
    count = _same_steps({"memory": rows, "similarity": alike, **bars}, "locations")
    left, across, up = NAME_ROOM + 0.7, STEP_ROOM - 0.7, 0.24
    deep = up * rows.shape[1]
    sheet = _Sheet(NAME_ROOM + STEP_ROOM + 0.15, deep + 1.3 + 0.55 * len(bars))
    scale = Scale(SIGNED, -1.0, 1.0)
    for name, array, box in (
        ("key", wanted, (left - 0.65, 0.32, 0.45, deep)),
        ("memory", rows, (left, 0.32, across, deep)),
        ("similarity, Eq. 6", alike, (left, deep + 0.42, across, up)),
    ):
        sheet.cells(array, scale, box, numbers=True)
        if name.startswith("similarity"):
            sheet.name(name, box[1] + up / 2, left - 0.1)
        else:
            sheet.text(box[0], 0.2, name)
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


Box = tuple[float, float, float, float]
"""Left, upper edge, width and height in inches; down is positive."""


class _Sheet:
    """A figure unknown to pyplot, with one pair of axes in inches from its upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.figure = Figure(figsize=(width, height))
        self.axis = self.figure.add_axes((0, 0, 1, 1))
        self.axis.set(xlim=(0, width), ylim=(height, 0))
        self.axis.set_axis_off()

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        style = {"va": "center", "size": 8.5, "parse_math": False, **style}
        self.axis.text(x, y, text, **style)

    def name(self, text: str, y: float, right: float = NAME_ROOM - 0.08) -> None:
        """Write a panel's name to its left, in lines that fit."""
        lines = textwrap.fill(textwrap.shorten(text, 54), 20)
        self.text(right, y, lines, ha="right", ma="right", size=8, linespacing=1.05)

    def cells(self, values: Array, scale: "Scale", box: Box, *, numbers: bool = False) -> None:
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
            mappable, size = _mappable(scale), np.divide((across, down), values.shape)
            for (column, row), value in np.ndenumerate(values):
                ink = INK if _is_light(mappable, value) else "white"
                right, below = size * (column + 0.5, row + 0.5)
                self.text(x + right, y + below, short(value), ha="center", color=ink)

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

    def scale_bar(self, y: float, scale: "Scale", label: str) -> None:
        """Draw a small colour bar at the right edge, its ends in numbers."""
        x = self.width - 1.25
        steps = np.linspace(scale.low, scale.high, 64)[:, None]
        self.cells(steps, scale, (x, y - 0.05, 0.75, 0.1))
        self.text(x - 0.45, y, label, ha="right", size=8)
        self.text(x - 0.06, y, short(scale.low), ha="right", size=8)
        self.text(x + 0.81, y, short(scale.high), size=8)


# --- drawing helpers -----------------------------------------------------------------------------


class Scale(NamedTuple):
    """A colour map and the values that it spans."""

    colours: Colormap
    low: float
    high: float


UNIT = Scale(mpl.colormaps["cividis"], 0.0, 1.0)
GREYS = Scale(mpl.colormaps["gray"], 0.0, 1.0)


def _scale(*arrays: Array) -> Scale:
    """Choose the scale for arrays shown together: diverging where there are negative values."""
    size = max(float(np.abs(array).max()) for array in arrays)
    if any(array.min() < 0 for array in arrays):
        return Scale(SIGNED, -size, size)
    return UNIT._replace(high=size or 1.0)


def _mappable(scale: Scale) -> ScalarMappable:
    return ScalarMappable(Normalize(scale.low, scale.high), scale.colours)


def _cells(axis: Axes, values: Array, scale: Scale, cell: float) -> None:
    """Draw values (across, down) as cells; lines part them where they are large enough."""
    axis.imshow(values.T, cmap=scale.colours, vmin=scale.low, vmax=scale.high)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=2, pad=2)
    if cell >= 0.08:
        across, down = values.shape
        axis.vlines(np.arange(1, across) - 0.5, -0.5, down - 0.5, color=PAPER, linewidth=0.5)
        axis.hlines(np.arange(1, down) - 0.5, -0.5, across - 0.5, color=PAPER, linewidth=0.5)
    axis.set_xticks(_few(values.shape[0]))


def _draw_panels(figure: Figure, panels: dict[Axes, Array], label: str = "value") -> None:
    """Draw panels on two scales, one for [0, 1] and one for all others, each with its bar."""
    wide = {axis: array for axis, array in panels.items() if array.min() < 0 or array.max() > 1}
    for is_wide, group in groupby(panels, wide.__contains__):  # neighbours share a bar
        scale = _scale(*wide.values()) if is_wide else UNIT
        axes = list(group)
        for axis in axes:
            width = axis.get_position().width * figure.get_figwidth()
            _cells(axis, panels[axis], scale, width / len(panels[axis]))
        _bar(figure, scale, label, ax=axes, aspect=14, pad=0.015, fraction=0.03)


def _bar(figure: Figure, scale: Scale, label: str, **where: Any) -> None:
    bar = figure.colorbar(_mappable(scale), **where)
    bar.set_label(label, size=8)
    if scale.high == 1 and "ticks" not in where:
        bar.set_ticks(sorted({scale.low, 0.0, 0.5, 1.0}))
    bar.outline.set_visible(False)


class _Page(NamedTuple):
    """A figure on which things are placed in inches from its lower left corner."""

    figure: Figure
    width: float
    height: float

    def axes(self, x: float, y: float, across: float, up: float) -> Axes:
        box = (x / self.width, y / self.height, across / self.width, up / self.height)
        return self.figure.add_axes(box)

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        self.figure.text(x / self.width, y / self.height, text, **style)


def _title(figure: Figure, title: str) -> None:
    if title:
        figure.suptitle(title, x=0.01, ha="left")


def _name_panel(axis: Axes, name: str) -> None:
    axis.set_yticks([])
    axis.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=6)


def _few(count: int, most: int = 8) -> list[int]:
    """Choose at most so many round tick positions from 0 to count - 1."""
    step = next(n * 10**k for k in range(20) for n in (1, 2, 5) if count <= most * n * 10**k)
    return list(range(0, count, step))


def _veil(axis: Axes, steps: Tensor) -> None:
    """Pale the steps that do not count."""
    for step in steps.nonzero().flatten().tolist():
        axis.axvspan(step - 0.5, step + 0.5, color=PAPER, alpha=0.8, linewidth=0)


def _point(axis: Axes, steps: Iterable[int], colour: str = MARK, letters: str = "") -> None:
    """Point arrows at steps from below, and move the tick labels out of their way."""
    for step, letter in zip(steps, chain(letters, repeat("")), strict=False):
        axis.annotate(letter, (step, 0), (0, -13), xycoords=("data", "axes fraction"),
                      textcoords="offset points", annotation_clip=False,
                      ha="center", va="top", color=colour, weight="bold", size=8,
                      arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.6,
                                  "shrinkA": 0, "shrinkB": 1})  # fmt: skip
        axis.tick_params(axis="x", pad=22 if letters else 13)


def _mark(axis: Axes, marks: Tensor | None, cell: float) -> None:
    """Frame bits, or point at steps; ``cell`` is a step's width in inches."""
    if marks is None:
        return
    if _is_arrow(marks):
        _point(axis, marks.nonzero().flatten().tolist())
        return
    for step, channel in marks.nonzero().tolist():
        frame = Rectangle((step - 0.4, channel - 0.4), 0.8, 0.8, fill=False, edgecolor=MARK,
                          linewidth=min(1.3, 16 * cell), zorder=3)  # fmt: skip
        axis.add_patch(frame)


def _is_arrow(marks: Tensor | None) -> bool:
    return marks is not None and marks.dim() == 1


def _write_numbers(axis: Axes, array: Array, scale: Scale, cell: float) -> None:
    """Write each value into its cell, dark on light and light on dark."""
    mappable = _mappable(scale)
    for (row, column), value in np.ndenumerate(array):
        axis.text(column, row, short(value), ha="center", va="center", size=min(8.5, 18 * cell),
                  color=INK if _is_light(mappable, value) else "white")  # fmt: skip


def _is_light(mappable: ScalarMappable, value: float) -> bool:
    red, green, blue, _ = mappable.to_rgba(np.asarray(value))
    return bool(0.3 * red + 0.59 * green + 0.11 * blue > 0.5)


def short(value: float) -> str:
    """Write with two decimals at most."""
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def _look(name: str, place: int) -> dict[str, Any]:
    """Choose colour, marker and name for a model, or for whatever else is compared."""
    return {
        "color": COLOURS.get(name, OTHERS[place % len(OTHERS)]),
        "marker": MARKERS.get(name, "o"),
        "linestyle": DASHES.get(name, "-"),
        "label": LABELS.get(name, name),
    }


# --- checks --------------------------------------------------------------------------------------


def _given(things: Any) -> Any:
    if not things:
        raise ValueError("expected something to draw, got nothing")
    return things


def _array(name: str, values: Tensor, shape: str) -> Array:
    """Return the values as an array of that many dimensions; leading ones of size 1 go."""
    dims, array = len(shape.split()), values.detach().cpu().double().numpy()
    while array.ndim > dims and array.shape[0] == 1:
        array = array[0]
    if array.ndim != dims or array.size == 0:
        raise ValueError(f"{name}: expected shape ({shape}), got {tuple(values.shape)}")
    return array


def _same_steps(arrays: dict[str, Array], unit: str = "steps") -> int:
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"expected the same number of {unit} everywhere, got {counts}")
    return next(iter(counts.values()))


def _check_index(name: str, value: int, count: int) -> None:
    if not 0 <= value < count:
        raise ValueError(f"{name}: expected 0 to {count - 1}, got {value}")


def _check_probabilities(name: str, values: Tensor) -> None:
    if values.min() < 0 or values.max() > 1:
        raise ValueError(
            f"{name}: expected probabilities from 0 to 1, got {values.min():.3g} to "
            f"{values.max():.3g}; for logits give torch.sigmoid(logits)"
        )


def _one(episode: Episode, index: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return one sequence's inputs, targets and mask, without the padding after its end."""
    _check_index("index", index, episode.inputs.shape[1])
    mask = episode.mask if episode.mask.dim() == 1 else episode.mask[:, index]
    end = int(mask.nonzero().max()) + 1
    return episode.inputs[:end, index], episode.targets[:end, index], mask[:end]


def _span(locations: tuple[int, int], count: int) -> list[int]:
    start, stop = locations
    if not start < stop <= start + count:
        raise ValueError(f"locations: expected (first, one past the last), got {locations}")
    return [i % count for i in range(start, stop)]


def _case(name: str, targets: Tensor, outputs: Tensor) -> tuple[str, Array, Array]:
    if targets.shape != outputs.shape:
        raise ValueError(
            f"{name}: expected outputs of the targets' shape {tuple(targets.shape)}, "
            f"got {tuple(outputs.shape)}"
        )
    _check_probabilities(name, outputs)
    return name, _array(name, targets, "T O"), _array(name, outputs, "T O")


def _marks(
    cases: list[tuple[str, Array, Array]], marks: str | Sequence[Tensor | None] | None
) -> Sequence[Tensor | None]:
    if marks is None:
        return [None] * len(cases)
    if isinstance(marks, str):
        if marks != "wrong":
            raise ValueError(f"marks: expected 'wrong' or one tensor for each case, got {marks!r}")
        return [Tensor((targets > 0.5) != (outputs > 0.5)) for _, targets, outputs in cases]
    if len(marks) != len(cases):
        raise ValueError(f"marks: expected one for each of {len(cases)} cases, got {len(marks)}")
    for (name, targets, _), one in zip(cases, marks, strict=True):
        if one is not None and tuple(one.shape) not in (targets.shape[:1], targets.shape):
            raise ValueError(
                f"marks: expected shape (T,) or (T, O) of {name}, {targets.shape}, "
                f"got {tuple(one.shape)}"
            )
    return marks


def _pack(lengths: list[int], room: int) -> list[list[int]]:
    """Break cases into lines that hold at most ``room`` steps."""
    lines: list[list[int]] = []
    used = 0
    for i, length in enumerate(lengths):
        if not lines or used + length > room:
            lines.append([])
            used = 0
        lines[-1].append(i)
        used += length
    return lines
