"""Sequences as they run: panels that share the time axis."""

from collections.abc import Iterable

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
from ntm_tutorial.plots.drawing import draw_panels, name_panel, point_at, veil, write_title
from ntm_tutorial.plots.style import WIDTH
from ntm_tutorial.tasks import Episode


@telling
def sequence(rows: dict[str, Tensor], title: str = "", arrows: Iterable[int] = ()) -> Figure:
    """Stack panels that share the time axis.

    Args:
        rows: a tensor (T, channels) for each panel, named as it is to be labelled.
        title: stands above.
        arrows: steps that red arrows point out, below the last panel.

    Raises:
        ValueError: if there is no panel, or the panels differ in their number of steps.
    """
    panels = {
        name: as_array(name, values, "T channels") for name, values in given("rows", rows).items()
    }
    steps = same_steps(panels)
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
    draw_panels(figure, dict(zip(axes, panels.values(), strict=True)))
    for axis, name in zip(axes, panels, strict=True):
        name_panel(axis, name)
    axes[-1].set_xlabel("time step")
    point_at(axes[-1], arrows)
    write_title(figure, title)
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
        if outputs.shape != episode.targets.shape:
            raise ValueError(
                f"outputs: expected the targets' shape {tuple(episode.targets.shape)}, "
                f"got {tuple(outputs.shape)}"
            )
        check_probabilities("outputs", outputs)
        rows["outputs"] = outputs[: len(mask), index]
    figure = sequence(rows)
    for axis in figure.axes[1 : len(rows)]:
        veil(axis, ~mask)
    return figure
