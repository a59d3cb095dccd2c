"""Associative recall: what each step of a list means for each question."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from ntm_tutorial.checks import telling
from ntm_tutorial.plots.checks import as_array
from ntm_tutorial.plots.drawing import colour_bar, draw_cells, scale_for
from ntm_tutorial.plots.style import PAPER, WIDTH
from ntm_tutorial.tasks.associative_recall import AssociativeRecall


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
    scale = scale_for(array)
    figure, axis = plt.subplots(figsize=(WIDTH, 0.9 + 0.26 * count))
    draw_cells(axis, array.T, scale, cell=0.2)
    for item in range(steps // span):
        axis.axvline(item * span - 0.5, color=PAPER, linewidth=4)
        axis.text((item + 0.5) * span - 0.5, -0.65, f"item {item + 1}", ha="center", size=8.5)
    axis.set_xticks(range(steps), [str(step + 1) for step in range(steps)])
    axis.set_yticks(range(count), rows or [f"item {row + 1} asked" for row in range(count)])
    axis.set_xlabel("step of the list at which the row was written")
    colour_bar(figure, scale, label, ax=axis, aspect=10, pad=0.015, fraction=0.03)
    return figure
