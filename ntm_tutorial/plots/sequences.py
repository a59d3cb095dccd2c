"""Sequences as they run: panels that share the time axis."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from ntm_tutorial.checks import telling
from ntm_tutorial.plots.checks import (
    as_array,
    check_probabilities,
    given,
    one_sequence,
    same_steps,
)
from ntm_tutorial.plots.drawing import draw_panels, name_panel, veil
from ntm_tutorial.plots.style import WIDTH
from ntm_tutorial.tasks import Episode


@telling
def sequence(rows: dict[str, Tensor]) -> Figure:
    """Stack panels that share the time axis.

    Args:
        rows: a tensor (T, channels) for each panel, named as it is to be labelled.

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
    draw_panels(figure, dict(zip(axes, panels.values(), strict=True)))
    for axis, name in zip(axes, panels, strict=True):
        name_panel(axis, name)
    axes[-1].set_xlabel("time step")
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
        veil(axis, ~mask)
    return figure
