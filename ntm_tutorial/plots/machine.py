"""Inside the machine: memory, weightings, and how both were used."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ntm_tutorial.analysis import after_gap
from ntm_tutorial.checks import check_shapes, telling, whole
from ntm_tutorial.ntm import NTMTrace
from ntm_tutorial.plots import drawing
from ntm_tutorial.plots.checks import Array, as_array, given, one_sequence, same_steps
from ntm_tutorial.plots.style import INK, MARK, PAPER, READ, WIDTH
from ntm_tutorial.tasks import Episode
from ntm_tutorial.tasks.associative_recall import AssociativeRecall


class Frame(NamedTuple):
    """What a reader should look at in a panel of ``memory_use``.

    Attributes:
        panel: the panel's title, such as "write weighting".
        steps: the first step framed and the last.
        letter: stands above the frame.
        colour: of frame and letter.
    """

    panel: str
    steps: tuple[int, int]
    letter: str = ""
    colour: str = MARK


@telling
def memory_use(
    episode: Episode,
    logits: Tensor,
    trace: NTMTrace,
    index: int = 0,
    *,
    head: int = 0,
    write_head: int | None = None,
    frames: Sequence[Frame] = (),
) -> Figure:
    """Show how a machine used its memory, as Figure 6 of the paper does.

    On the left the inputs, what was added to the memory, and where; on the right the outputs,
    what was read, and where from. Steps whose outputs do not count are veiled.

    Args:
        episode: the batch of sequences that the machine saw.
        logits: its outputs (T, B, O), from ``model.trace``.
        trace: its trace, from ``model.trace``.
        index: which sequence of the batch.
        head: which read head, and which write head.
        write_head: which write head, if another.
        frames: what to point out.

    Raises:
        ValueError: if there is no such sequence or head, or a frame lies outside.
    """
    inputs, _, mask = one_sequence(episode, index)
    check_shapes("TBO TBO", targets=episode.targets, logits=logits)
    steps = len(mask)
    writer = head if write_head is None else write_head
    whole("head", head, 0, trace.reads.shape[2] - 1)
    whole("write_head", writer, 0, trace.add_vector.shape[2] - 1)
    write = as_array("write", trace.write_weighting[:steps, index, writer], "T N")
    read = as_array("read", trace.read_weighting[:steps, index, head], "T N")
    shown = used_locations(write, read)
    panels = {
        "inputs": as_array("inputs", inputs, "T I"),
        "outputs": as_array("outputs", logits[:steps, index].sigmoid(), "T O"),
        "vectors added": as_array("adds", trace.add_vector[:steps, index, writer], "T M"),
        "vectors read": as_array("reads", trace.reads[:steps, index, head], "T M"),
        "write weighting": write[:, shown],
        "read weighting": read[:, shown],
    }
    shape = [inputs.shape[1] + 1, trace.reads.shape[-1], min(40, max(14, len(shown)))]
    size = (WIDTH, 1.4 + 0.085 * sum(shape))
    figure, grid = plt.subplots(3, 2, sharex=True, figsize=size, height_ratios=shape)
    axes = dict(zip(panels, grid.flat, strict=True))
    names = list(panels)
    for row, label in enumerate(("probability", "value", "weight")):
        pair = names[2 * row : 2 * row + 2]
        drawing.draw_panels(figure, {axes[name]: panels[name] for name in pair}, label)
    drawing.veil(axes["outputs"], ~mask)
    for name, axis in axes.items():
        axis.set_title(name, pad=3)
        axis.set_yticks([])
    for axis, label in zip(grid[:, 0], ("channel", "component", "location"), strict=True):
        axis.set_ylabel(label)
    round_ones = drawing.few_ticks(write.shape[1], most=8 * write.shape[1] // len(shown))
    ticks = [row for row, location in enumerate(shown) if location in round_ones]
    grid[2, 0].set_yticks(ticks, [str(shown[row]) for row in ticks])
    for axis in grid[2]:
        axis.set_xlabel("time step")
    for frame in frames:
        _frame(axes, frame, steps)
    return figure


@telling
def instructions(trace: NTMTrace, index: int = 0, marks: Sequence[int] = ()) -> Figure:
    """Draw what the controller tells each head, step by step, under where the head then stands.

    A column for each head, read heads first: its weighting, shift weighting, gate, key strength
    and sharpening.

    Args:
        trace: from ``model.trace``.
        index: which sequence of the batch.
        marks: steps at which a dashed line stands.

    Raises:
        ValueError: if there is no such sequence.
    """
    whole("index", index, 0, trace.weighting.shape[1] - 1)
    heads, readers = trace.weighting.shape[2], trace.reads.shape[2]
    weighting = as_array("weighting", trace.weighting[:, index], "T H N")
    shown = used_locations(*weighting.transpose(1, 0, 2), least=0.5)
    figure, grid = plt.subplots(5, heads, sharex=True, sharey="row", squeeze=False,
                                figsize=(WIDTH, 5.2), height_ratios=[3, 1, 1, 1, 1])  # fmt: skip
    reach = trace.shift_weighting.shape[-1] // 2
    for head, axes in enumerate(grid.T):
        name = f"read head {head + 1}" if head < readers else f"write head {head - readers + 1}"
        axes[0].set_title(name.removesuffix(" 1") if heads == 2 else name, pad=3)
        moves = as_array("shifts", trace.shift_weighting[:, index, head], "T S")
        for axis, values in ((axes[0], weighting[:, head, shown]), (axes[1], moves)):
            drawing.draw_cells(axis, values, drawing.UNIT, 0.0)
        lines = (trace.gate, trace.key_strength, trace.sharpening)
        for axis, line in zip(axes[2:], lines, strict=True):
            values = as_array("line", line[:, index, head, 0], "T")
            axis.plot(values, color=INK, drawstyle="steps-mid", linewidth=1.1)
            axis.grid(axis="y")
        for axis in axes:
            for step in marks:
                axis.axvline(step, color=MARK, linestyle="--", linewidth=0.9)
    rows = [row for row, location in enumerate(shown) if location % 10 == 0]
    grid[0, 0].set_yticks(rows, [str(shown[row]) for row in rows])
    grid[1, 0].set_yticks(
        range(2 * reach + 1), [f"{move:+d}" if move else "0" for move in range(-reach, reach + 1)]
    )
    for axis, name in zip(grid[:, 0], ("location", "shift", "gate", "key\nstrength", "sharpening"),
                          strict=True):  # fmt: skip
        axis.set_ylabel(name)
    grid[2, 0].set_ylim(-0.05, 1.05)
    for row in (3, 4):
        grid[row, 0].set_ylim(bottom=0)
    for axis in grid[-1]:
        axis.set_xlabel("time step")
    drawing.colour_bar(
        figure, drawing.UNIT, "weight", ax=list(grid[:2].flat), aspect=16, pad=0.015, fraction=0.03
    )
    return figure


def _frame(axes: dict[str, Axes], frame: Frame, steps: int) -> None:
    """Draw a frame round some steps of a panel."""
    first, last = frame.steps
    if frame.panel not in axes or not 0 <= first <= last < steps:
        raise ValueError(f"frames: expected steps of one of {list(axes)}, got {frame}")
    axis, across = axes[frame.panel], last - first + 1
    low, high = axis.get_ylim()[::-1]
    box = Rectangle((first - 0.5, low), across, high - low, fill=False, edgecolor=frame.colour,
                    linewidth=1.4, clip_on=False, zorder=4)  # fmt: skip
    axis.add_patch(box)
    axis.annotate(frame.letter, (first + across / 2 - 0.5, low), (0, 1), annotation_clip=False,
                  textcoords="offset points", color=frame.colour, size=8, weight="bold",
                  ha="center", va="bottom")  # fmt: skip


@telling
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
    start = after_gap(used.tolist(), count)
    last = max((int(location) - start) % count for location in used)
    return [(start + i) % count for i in range(last + 1)]


@telling
def weighting_bars(weightings: dict[str, Tensor], mark: int | None = None) -> Figure:
    """Draw each weighting as bars over the memory locations, one below the other.

    Args:
        weightings: a tensor (N,) for each; leading dimensions of size 1 are dropped.
        mark: a location to point at, such as the one that is wanted.

    Raises:
        ValueError: if there is none, or they differ in their number of locations.
    """
    bars = {
        name: as_array(name, values, "N")
        for name, values in given("weightings", weightings).items()
    }
    count = same_steps(bars, "locations")
    size = (WIDTH * 0.8, 0.75 * len(bars) + 0.5)
    figure, grid = plt.subplots(len(bars), sharex=True, sharey=True, squeeze=False, figsize=size)
    for axis, (name, values) in zip(grid[:, 0], bars.items(), strict=True):
        axis.bar(range(count), values, width=0.8, color=READ)
        if mark is not None:
            whole("mark", mark, 0, count - 1)
            axis.plot(mark, 1.0, marker="v", color=MARK, clip_on=False)
        drawing.name_panel(axis, name)
        axis.set_ylim(0, max(1.0, *(one.max() for one in bars.values())))
        axis.set_yticks([0, 1])
        axis.grid(axis="y")
        axis.set_axisbelow(True)
    grid[-1, 0].set_xlabel("memory location")
    grid[-1, 0].set_xticks(range(count) if count <= 20 else drawing.few_ticks(count))
    grid[-1, 0].set_xlim(-0.6, count - 0.4)
    return figure


@telling
def matrices(
    values: dict[str, Tensor],
    row_label: str = "",
    column_label: str = "",
    numbers: bool = True,
    weightings: Collection[str] = (),
) -> Figure:
    """Draw matrices (rows, columns), such as memories, side by side on one colour scale.

    Args:
        values: a matrix for each name; leading dimensions of size 1 are dropped.
        row_label: what a row is, such as "location".
        column_label: what a column is.
        numbers: write each value into its cell.
        weightings: the names of those that are weightings: their scale goes from 0 to 1, in other
            colours, so that a memory beside them does not decide how light they are.

    Raises:
        ValueError: if there is none, or one is no matrix.
    """
    arrays = {
        name: as_array(name, one, "rows columns") for name, one in given("values", values).items()
    }
    others = [array for name, array in arrays.items() if name not in weightings]
    scale = drawing.scale_for(*others) if others else drawing.WEIGHTS
    columns = [max(array.shape[1], 1.6) for array in arrays.values()]  # room for a title
    rows = max(array.shape[0] for array in arrays.values())
    cell = min(0.48, (WIDTH - 1.3 - 0.3 * len(arrays)) / sum(columns))
    size = (cell * sum(columns) + 1.3 + 0.3 * len(arrays), cell * rows + 0.9)
    figure, grid = plt.subplots(1, len(arrays), squeeze=False, figsize=size, width_ratios=columns)
    axes = list(grid[0])
    for axis, (name, array) in zip(axes, arrays.items(), strict=True):
        own, (down, across) = drawing.WEIGHTS if name in weightings else scale, array.shape
        drawing.draw_cells(axis, array.T, own, cell)
        axis.set_aspect("equal")
        axis.set_title(name)
        axis.set_xlabel(column_label)
        for one, count, most in ((axis.xaxis, across, 12), (axis.yaxis, down, 20)):
            places = range(count) if count <= most else drawing.few_ticks(count)
            one.set_ticks(list(places) if count > 1 else [])
        if numbers:
            box = (-0.5, -0.5, float(across), float(down))
            drawing.write_numbers(axis, array.T, own, box, min(8.5, 18 * cell))
    axes[0].set_ylabel(row_label)
    drawing.colour_bar(figure, scale, "value", ax=axes, aspect=12, pad=0.02, fraction=0.05)
    return figure


@telling
def recall_steps(table: Tensor, label: str, rows: Sequence[str] = ()) -> Figure:
    """Draw a value for each question, downwards, and each step of a list, to the right.

    Gaps part the items; each group ends with the delimiter after its item.

    Args:
        table: of shape (rows, steps); the first column is step 1, the first vector of
            item 1, and there are four for each item.
        label: what the values are.
        rows: what the rows are called; left out, each stands for the item that is asked.

    Raises:
        ValueError: if the steps do not make whole items.
    """
    array = as_array("table", table, "rows steps")
    count, steps = array.shape
    span = AssociativeRecall.item_length + 1
    if steps % span:
        raise ValueError(f"table: expected a multiple of {span} steps, got {steps}")
    scale = drawing.scale_for(array)
    figure, axis = plt.subplots(figsize=(WIDTH, 0.9 + 0.26 * count))
    drawing.draw_cells(axis, array.T, scale, cell=0.2)
    for item in range(steps // span):
        axis.axvline(item * span - 0.5, color=PAPER, linewidth=4)
        axis.text((item + 0.5) * span - 0.5, -0.65, f"item {item + 1}", ha="center", size=8.5)
    axis.set_xticks(range(steps), [str(step + 1) for step in range(steps)])
    axis.set_yticks(range(count), rows or [f"item {row + 1} asked" for row in range(count)])
    axis.set_xlabel("step of the list at which the row was written")
    drawing.colour_bar(figure, scale, label, ax=axis, aspect=10, pad=0.015, fraction=0.03)
    return figure
