"""Sequences as they run, and targets over outputs, as Figures 4, 5 and 8 of the paper have them."""

from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ntm_tutorial.checks import telling
from ntm_tutorial.plots import drawing
from ntm_tutorial.plots.checks import (
    Array,
    as_array,
    check_probabilities,
    given,
    one_sequence,
    same_steps,
)
from ntm_tutorial.plots.style import MARK, WIDTH
from ntm_tutorial.tasks import Episode

Case = tuple[str, Array, Array]
Pair = tuple[float, float]

PAIR_GAP = 0.07
"""Inches between a case's targets and its outputs."""


@telling
def sequence(rows: dict[str, Tensor], label: str = "time step") -> Figure:
    """Stack panels that share the time axis.

    Args:
        rows: a tensor (T, channels) for each panel, named as it is to be labelled.
        label: what a column is.

    Raises:
        ValueError: if there is no panel, or the panels differ in their number of steps.
    """
    panels = {
        name: as_array(name, values, "T channels") for name, values in given("rows", rows).items()
    }
    steps = same_steps(panels)
    cell = min(0.22, (WIDTH - 1.4) / steps)
    heights = [max(cell, 0.075) * max(array.shape[1], 2) for array in panels.values()]
    size = (1.4 + cell * steps, sum(heights) + 0.12 * len(panels) + 0.55)
    figure, grid = plt.subplots(
        len(panels), sharex=True, squeeze=False, figsize=size, height_ratios=heights
    )
    axes = list(grid[:, 0])
    drawing.draw_panels(figure, dict(zip(axes, panels.values(), strict=True)))
    for axis, name in zip(axes, panels, strict=True):
        drawing.name_panel(axis, name)
    axes[-1].set_xlabel(label)
    return figure


@telling
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
    inputs, targets, mask = one_sequence(episode, index)
    rows = {"inputs": inputs, "targets": targets}
    if outputs is not None:
        check_probabilities("outputs", outputs, episode.targets)
        rows["outputs"] = outputs[: len(mask), index]
    figure = sequence(rows)
    for axis in figure.axes[1 : len(rows)]:
        drawing.veil(axis, ~mask)
    return figure


@telling
def targets_and_outputs(
    cases: Sequence[tuple[str, Tensor, Tensor]],
    title: str = "",
    marks: str | None = None,
    label: str = "time step",
) -> Figure:
    """Arrange targets over outputs for several sequences, as Figures 4, 5 and 8 of the paper do.

    Every step is equally wide, so a sequence's width is its length. As many cases stand side by
    side as fit.

    Args:
        cases: a title, the targets (T, O) and the outputs (T, O), as probabilities, of each.
        title: stands above.
        marks: ``"wrong"`` puts a red frame round every wrong bit.
        label: what a column is.

    Raises:
        ValueError: if there is no case, or tensors do not fit each other.
    """
    drawn = [_case(*case) for case in given("cases", list(cases))]
    if marks not in (None, "wrong"):
        raise ValueError(f"marks: expected 'wrong' or None, got {marks!r:.80}")
    lengths = [len(targets) for _, targets, _ in drawn]
    lines = _pack(lengths, max(120, *lengths))
    left, right, top, gap, under = 0.72, 0.12, 0.64, 0.22, 0.68
    rooms = [WIDTH - left - right - gap * (len(line) - 1) for line in lines]
    longest = [sum(lengths[i] for i in line) for line in lines]
    cell = min(0.17, *(room / steps for room, steps in zip(rooms, longest, strict=True)))
    tall = [max(cell, 0.075) * max(drawn[i][1].shape[1] for i in line) for line in lines]
    height = top + sum(2 * one + PAIR_GAP + under for one in tall) - 0.2
    page = drawing.Page(height)
    page.text(left, height - 0.13, title, va="top", size=mpl.rcParams["figure.titlesize"])
    drawing.scale_bar(page)
    y = height - top
    for line, one in zip(lines, tall, strict=True):
        x = left
        for i in line:
            _draw_case(page, (x, y), (cell, one), drawn[i], i == line[0], marks == "wrong")
            x += cell * lengths[i] + gap
        page.figure.axes[-1].set_xlabel(label)
        y -= 2 * one + PAIR_GAP + under
    return page.figure


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


def _draw_case(
    page: drawing.Page, at: Pair, size: Pair, case: Case, named: bool, framed: bool
) -> None:
    """Draw one case's targets over its outputs, ``at`` their upper left corner."""
    (x, y), (cell, tall), (title, targets, outputs) = at, size, case
    across = cell * len(targets)
    upper = page.axes(x, y - tall, across, tall)
    lower = page.axes(x, y - 2 * tall - PAIR_GAP, across, tall)
    for axis, array, name in ((upper, targets, "targets"), (lower, outputs, "outputs")):
        drawing.draw_cells(axis, array, drawing.UNIT, cell)
        drawing.name_panel(axis, name if named else "")
    upper.set_xticks([])
    upper.set_title(title, pad=4, size=8.5)
    lower.set_xticks(drawing.few_ticks(len(targets), most=max(2, int(across / 0.3))))
    for step, channel in np.argwhere((targets > 0.5) != (outputs > 0.5)) if framed else ():
        frame = Rectangle((step - 0.4, channel - 0.4), 0.8, 0.8, fill=False, edgecolor=MARK,
                          linewidth=min(1.3, 16 * cell), zorder=3)  # fmt: skip
        lower.add_patch(frame)


@telling
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
        for model, cases in given("blocks", blocks).items()
        for title, length, targets, outputs in given("blocks", list(cases))
    ]
    steps = max(len(targets) for _, _, (_, targets, _) in drawn)
    left, top, tall, below = 0.75, 0.45, 0.64, 0.72
    cell = min(0.12, (WIDTH - left - 0.18) / steps)
    cell = int(100 * cell) / 100 or cell  # whole pixels, so that all steps are equally wide
    height = top + len(blocks) * 0.28 + len(drawn) * (2 * tall + below)
    page = drawing.Page(height)
    drawing.scale_bar(page)
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
    page: drawing.Page, at: Pair, size: Pair, case: Case, length: int, trained_repeats: int | None
) -> None:
    """Draw one case of Figure 8, ``at`` its upper left corner; all sizes are in inches."""
    (x, y), (cell, tall), (title, targets, outputs) = at, size, case
    across, strip = cell * len(targets), 0.12
    starts = np.arange(0, len(targets) - 1, length)
    for name, array in (("targets", targets), ("outputs", outputs)):
        bits = page.axes(x, y - tall + strip + 0.02, across, tall - strip - 0.02)
        end = page.axes(x, y - tall, across, strip)
        for axis, part in ((bits, array[:, :-1]), (end, array[:, -1:])):
            drawing.draw_cells(axis, part, drawing.UNIT, 0.0)
            axis.set_xticks([])
        drawing.name_panel(bits, name)
        drawing.name_panel(end, "end")
        end.yaxis.label.set(size=7)
        if name == "targets":
            bits.set_title(title, pad=3, size=8.5)
            end.text(len(targets), 0, "◂", va="center", size=8)  # here the end is due
        y -= tall + 0.06
    wrong = page.axes(x, y - 0.14, across, 0.16)
    count = ((targets > 0.5) != (outputs > 0.5)).sum(1)
    wrong.bar(range(len(count)), count, width=1.0, color=MARK)
    wrong.set(xlim=(-0.5, len(targets) - 0.5), ylim=(0, targets.shape[1]))
    drawing.name_panel(wrong, "wrong")
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


def _case(name: str, targets: Tensor, outputs: Tensor) -> Case:
    check_probabilities(name, outputs, targets)
    return name, as_array(name, targets, "T O"), as_array(name, outputs, "T O")
