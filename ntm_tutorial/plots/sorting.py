"""Priority sort: where each vector goes, and where a machine put it."""

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ntm_tutorial.checks import telling
from ntm_tutorial.plots import drawing
from ntm_tutorial.plots.checks import Array, as_array, one_sequence, same_steps
from ntm_tutorial.plots.style import FAINT, MARK, SIGNED, WIDTH
from ntm_tutorial.tasks import Episode
from ntm_tutorial.tasks.priority_sort import PrioritySort


@telling
def sorting(episode: Episode, index: int = 0) -> Figure:
    """Show what a priority sort asks for, as Figure 16 of the paper does.

    On top the vectors as they come in, each under a bar for its priority; at the bottom the vectors
    that are due. A line leads each vector to its place, in the colour of its priority. Vectors that
    are not asked for have none.

    Args:
        episode: a batch of priority sorts.
        index: which sequence of the batch.

    Raises:
        ValueError: if there is no such sequence, or it is no priority sort.
    """
    inputs, targets, mask = one_sequence(episode, index)
    bits = PrioritySort.bits
    if inputs.shape[1] != PrioritySort.input_size:
        raise ValueError(
            f"episode: expected {PrioritySort.input_size} input channels, as in a priority sort, "
            f"got {inputs.shape[1]}"
        )
    items = episode.one("items")
    vectors = as_array("inputs", inputs[:items, :bits], "T O")
    priorities = as_array("priorities", inputs[:items, bits], "T")
    due = as_array("targets", targets[mask], "T O")
    left, cell = 0.9, min(0.29, (WIDTH - 1.2) / items)
    tall, bars, between = bits * 0.1, 0.75, 1.1
    height = 0.5 + bars + 2 * tall + between + 0.5
    page = drawing.Page(height)
    scale = drawing.Scale(SIGNED, -1.0, 1.0)
    colours = drawing.mappable_for(scale).to_rgba(priorities)
    top = page.axes(left, height - 0.4 - bars, cell * items, bars)
    top.bar(range(items), priorities, width=0.7, color=colours)
    top.axhline(0, color=FAINT, linewidth=0.8)
    top.set(xlim=(-0.5, items - 0.5), ylim=(-1.05, 1.05), xticks=[])
    top.spines[:].set_visible(False)
    drawing.name_panel(top, "priority")
    top.set_yticks([-1, 1])
    upper = page.axes(left, height - 0.45 - bars - tall, cell * items, tall)
    lower = page.axes(left, 0.5, cell * len(due), tall)
    for axis, values, name in ((upper, vectors, "inputs"), (lower, due, "targets")):
        drawing.draw_cells(axis, values, drawing.UNIT, cell)
        drawing.name_panel(axis, name)
        axis.set_xticks([])
    lower.set_xticks(range(len(due)), [str(place + 1) for place in range(len(due))])
    lower.set_xlabel("place")
    links = page.axes(left, 0.5 + tall, cell * items, between)
    links.set(xlim=(-0.5, items - 0.5), ylim=(0, 1))
    links.set_axis_off()
    for place, item in enumerate((-priorities).argsort(kind="stable")[: len(due)].tolist()):
        _link(links, item, place, colours[item])
    drawing.scale_bar(page, scale, "priority")
    return page.figure


def _link(axis: Axes, item: int, place: int, colour: Array) -> None:
    """Draw a smooth line from a vector above to its place below."""
    down = np.linspace(0, 1, 40)
    across = item + (place - item) * (3 * down**2 - 2 * down**3)
    axis.plot(across, 0.94 - 0.88 * down, color=FAINT, linewidth=2.6)  # an edge for light colours
    axis.plot(across, 0.94 - 0.88 * down, color=colour, linewidth=1.8)


@telling
def fitted_locations(fitted: Tensor, write: Tensor, read: Tensor) -> Figure:
    """Hold locations that a fit predicts against those written and read, as Figure 17 does.

    The paper has the vectors in the order in which they came; here they stand in that of their
    priorities, so that what was written can be compared with what is read.

    Args:
        fitted: the location that the fit gives for each vector (L,), the highest priority first;
            beyond the last location it counts on, round the ring.
        write: a write head's weighting at each of these vectors (L, N).
        read: a read head's weighting while the answers were due (A, N).

    Raises:
        ValueError: if shapes do not fit.
    """
    line = as_array("fitted", fitted, "L")
    written, looked = as_array("write", write, "L N"), as_array("read", read, "A N")
    same_steps({"fitted": line, "write": written})
    same_steps({"write": written.T, "read": looked.T}, "locations")
    count, rows = written.shape[1], _rows(line, written, looked)
    figure, axes = plt.subplots(1, 3, sharey=True, figsize=(WIDTH, 3.6),
                                width_ratios=[len(line), len(line), len(looked)])  # fmt: skip
    predicted, observed, reading = axes
    for axis, panel in ((predicted, written * np.nan), (observed, written), (reading, looked)):
        drawing.draw_cells(axis, panel[:, np.array(rows) % count], drawing.UNIT, 0.0)
        axis.set_xlabel("place in the answer" if axis is reading else "place of its priority")
        step = [*drawing.few_ticks(len(panel), most=4), 1][1]
        places = range(step - 1, len(panel), step)
        axis.set_xticks(places, [str(place + 1) for place in places])
    at = line - rows[0]
    predicted.scatter(range(len(line)), at, marker="s", s=16, color=MARK)
    observed.scatter(range(len(line)), at, marker="s", s=26, facecolors="none", edgecolors=MARK)
    predicted.set_ylim(max(len(rows) - 0.5, at.max() + 0.5), min(-0.5, at.min() - 0.5))
    predicted.spines["left"].set_visible(True)
    predicted.set_title("fitted to the priority")
    observed.set_title("write weighting")
    reading.set_title("read weighting")
    round_ones = drawing.few_ticks(count, most=10 * count // len(rows))
    ticks = [row for row, location in enumerate(rows) if location % count in round_ones]
    predicted.set_yticks(ticks, [str(rows[row] % count) for row in ticks])
    predicted.set_ylabel("memory location")
    drawing.colour_bar(
        figure, drawing.UNIT, "weight", ax=list(axes), aspect=22, pad=0.015, fraction=0.03
    )
    return figure


def _rows(line: Array, *weightings: Array) -> list[int]:
    """Choose the locations to show: around the line, and wherever a weighting has a focus.

    At most once round the ring; the locations count on beyond its end.
    """
    count = weightings[0].shape[1]
    middle = round(float(line.mean()))
    focused = np.max([weighting.max(0) for weighting in weightings], axis=0) >= 0.2
    near = (np.flatnonzero(focused) - middle + count // 2) % count - count // 2  # within half round
    offsets = np.concatenate([line - middle, near])
    first = max(math.floor(offsets.min()) - 1, -(count // 2))
    last = min(math.ceil(offsets.max()) + 1, (count - 1) // 2)
    return list(range(middle + first, middle + last + 1))
