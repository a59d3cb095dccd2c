"""Pictures for the book: one function per kind of figure, one style for all.

Every function takes tensors as the rest of the package makes them, and returns a matplotlib
``Figure``. Time runs to the right; channels and memory locations run down. Dark is nothing: bits,
probabilities and weightings are drawn in *cividis*, from dark 0 to yellow 1; signed values in
``SIGNED``, which goes on below zero from dark to cyan. Both maps are perceptual, and the
colour-blind can read them.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import Tensor

from ntm_tutorial.evaluation import Evaluation
from ntm_tutorial.ntm import NTMTrace
from ntm_tutorial.tasks import Episode
from ntm_tutorial.training import History

Array = NDArray[np.float64]

WIDTH = 7.0
"""Width of a full figure in inches; at 100 dpi it fills a page of 700 pixels."""

PAPER, INK, FAINT, MARK = "#fcfbf8", "#23272f", "#8b8f98", "#d7263d"
"""Background, text, lesser text and lines, and whatever a reader should look at."""

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


def _probability_bar(page: "_Page") -> None:
    """Draw a small colour bar in the upper right corner."""
    x, y = WIDTH - 1.1, page.height - 0.2
    bar = page.axes(x, y - 0.05, 0.8, 0.1)
    _bar(page.figure, UNIT, "", cax=bar, orientation="horizontal", ticks=[])
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
    floor: float = 1e-3,
) -> Figure:
    """Draw the validation cost against the sequences seen, as Figure 3 of the paper does.

    Ours has a logarithmic cost axis, so that a solved task still shows.

    Args:
        histories: each model's; the three models' names get their colours and full names.
        title: stands above.
        goal: a cost to draw a line at.
        floor: smaller costs are drawn here.

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
        axis.annotate(f"goal: {goal:g} bits", (1, goal), (0, 3), xycoords=("axes fraction", "data"),
                      textcoords="offset points", ha="right", size=8)  # fmt: skip
    axis.set(yscale="log", xlabel="sequences seen (thousands)", ylabel="bits per sequence")
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
            axis.axvspan(0, trained_to, color="#e9e5d8", zorder=0)
            top = axis.get_xaxis_transform()
            axis.text(trained_to / 2, 1.02, "trained", transform=top, ha="center", size=8)
    figure.legend(*wrong.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


# --- drawing helpers -----------------------------------------------------------------------------


class Scale(NamedTuple):
    """A colour map and the values that it spans."""

    colours: Colormap
    low: float
    high: float


UNIT = Scale(mpl.colormaps["cividis"], 0.0, 1.0)


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


def _point(axis: Axes, steps: Iterable[int]) -> None:
    """Point red arrows at steps from below, and move the tick labels out of their way."""
    for step in steps:
        axis.annotate("", (step, 0), (0, -13), xycoords=("data", "axes fraction"),
                      textcoords="offset points", annotation_clip=False,
                      arrowprops={"arrowstyle": "-|>", "color": MARK, "linewidth": 1.6,
                                  "shrinkA": 0, "shrinkB": 1})  # fmt: skip
        axis.tick_params(axis="x", pad=13)


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
        red, green, blue, _ = mappable.to_rgba(np.asarray(value))
        light = 0.3 * red + 0.59 * green + 0.11 * blue > 0.5
        axis.text(column, row, short(value), ha="center", va="center",
                  size=min(8.5, 18 * cell), color=INK if light else "white")  # fmt: skip


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
