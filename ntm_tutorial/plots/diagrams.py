"""Drawn schematics: the machine, one step of addressing, one write, and why a memory.

The numbers that a diagram shows are computed by the package's own equations. ``addressing_stages``
and ``write_stages`` return them, for whoever wants to check by hand.
"""

from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path
from torch import Tensor, nn

from ntm_tutorial import addressing as equations
from ntm_tutorial import memory as memory_equations
from ntm_tutorial.plots.drawing import UNIT, Scale, canvas, short, write_numbers
from ntm_tutorial.plots.style import FAINT, INK, PAPER, READ, SIGNED, WRITE

OLD, MIXED = "#b4b2aa", "#3d4f73"
"""What was there before, and what came of it."""

CONTROL, GROUND = "#f1e8cf", "#f1efe8"

KEY_STRENGTH, GATE, SHARPENING = 5.0, 0.7, 4.0
"""What the head of ``addressing`` emits, besides its key and its shift weighting."""

Point = tuple[float, float]


def machine() -> Figure:
    """Draw the machine: controller, heads, and a memory with each head's weighting beside it.

    The paper's Figure 1, with what flows along each arrow.
    """
    page, axis = canvas(3.75)
    _box(axis, (1.05, 0.12), 5.83, 3.5, edge=FAINT, style="--")
    _text(axis, (1.2, 3.42), "Neural Turing Machine", size=8.5, colour=FAINT, ha="left")

    _box(axis, (1.35, 0.72), 1.1, 2.2, "controller", face=CONTROL, size=10.5)
    _arrow(axis, (0.1, 1.2), (1.33, 1.2))
    _text(axis, (0.1, 1.36), "input $x_t$", ha="left")
    _arrow(axis, (1.33, 2.44), (0.1, 2.44))
    _text(axis, (0.1, 2.6), "output $y_t$", ha="left")

    left, bottom, side, rows, columns = 5.35, 0.62, 0.2, 12, 6
    cells = torch.rand(rows, columns, generator=torch.Generator().manual_seed(4))
    _cells(axis, cells, left, bottom, side)
    for name, colour, first, weights in (
        ("read", READ, 1, (0.12, 0.76, 0.12)),
        ("write", WRITE, 8, (0.06, 0.88, 0.06)),
    ):
        y = bottom + (rows - first - 1) * side + side / 2 - side  # of the middle row
        for row, weight in enumerate(weights):
            at = (left, y + (0.5 - row) * side)
            _box(axis, at, columns * side, side, edge=colour, width=3.2 * weight, corner=0.0)
            _bar(axis, (left - 0.05, at[1] + 0.15 * side), -0.45 * weight, 0.7 * side, colour)
        _box(axis, (3.8, y - 0.31), 0.72, 0.62, f"{name}\nhead", edge=colour)
    read, write = bottom + 9.5 * side, bottom + 2.5 * side
    _arrow(axis, (4.86, read), (4.55, read), colour=READ)
    _arrow(axis, (4.55, write), (4.82, write), colour=WRITE)
    for y, start, end, colour, label, above in (
        (read + 0.14, 3.77, 2.48, READ, "read vector $r_t$", 1),
        (read - 0.14, 2.48, 3.77, READ, "where to read", -1),
        (write + 0.14, 2.48, 3.77, WRITE, "where to write", 1),
        (write - 0.14, 2.48, 3.77, WRITE, "erase, add", -1),
    ):
        _arrow(axis, (start, y), (end, y), colour=colour)
        _text(axis, (3.11, y + 0.15 * above), label, size=8.5, colour=colour)

    _text(axis, (4.97, bottom + 6 * side), "weightings", size=8.5)
    _text(axis, (left + columns * side / 2, bottom + rows * side + 0.16), "memory $M_t$", size=10.0)
    _text(axis, (left + columns * side / 2, bottom - 0.16), "$M$ numbers a row", size=8.5)
    _text(axis, (left + columns * side + 0.15, bottom + rows * side / 2), "$N$ locations",
          size=8.5, rotation=90.0)  # fmt: skip
    return page.figure


def addressing_stages() -> dict[str, Tensor]:
    """Compute what ``addressing`` draws: the stages of one head's step, each (N,), Eqs. 5 to 9."""
    similarity = torch.tensor([0.1, 0.2, 0.95, -0.4, 0.3, -0.8, 0.0, 0.5, -0.2])
    memory = torch.stack([similarity, (1 - similarity.square()).sqrt()], dim=-1).unsqueeze(0)
    key = torch.tensor([[[1.0, 0.0]]])  # rows and key have length 1: it gives these similarities
    previous = torch.tensor([[[0.0, 0.0, 0.0, 0.0, 0.0, 0.05, 0.9, 0.05, 0.0]]])
    moves = torch.tensor([[[0.0, 0.2, 0.8]]])
    content = equations.content_weighting(memory, key, torch.tensor([[[KEY_STRENGTH]]]))
    gated = equations.interpolate(content, previous, torch.tensor([[[GATE]]]))
    shifted = equations.shift(gated, moves)
    final = equations.sharpen(shifted, torch.tensor([[[SHARPENING]]]))
    stages = {"content": content, "previous": previous, "gated": gated,
              "moves": moves, "shifted": shifted, "final": final}  # fmt: skip
    return {name: weighting[0, 0] for name, weighting in stages.items()}


def addressing() -> Figure:
    """Draw the flow of one addressing step, with the weighting that each stage makes.

    The paper's Figure 2, with the equations' numbers and computed weightings.
    """
    stages = addressing_stages()
    page, axis = canvas(5.5)
    left, wide, tall = 4.3, 2.1, 0.52  # of the bar charts
    drawn = ("content", "previous", "gated", "shifted", "final")
    bases = {name: 4.3 - 0.97 * i for i, name in enumerate(drawn)}
    centres = {name: base + tall / 2 for name, base in bases.items()}
    for x, header in ((1.1, "what goes in"), (2.9, "what is done"), (5.35, "what comes out")):
        _text(axis, (x, 5.3), header, size=8.5, colour=FAINT)

    for name, label, colour in (
        ("content", "content weighting $w^c_t$", READ),
        ("previous", "previous weighting $w_{t-1}$", OLD),
        ("gated", "gated weighting $w^g_t$", READ),
        ("shifted", r"shifted weighting $\tilde{w}_t$", MIXED),
        ("final", "final weighting $w_t$", MIXED),
    ):
        _bars(axis, stages[name], (left, bases[name]), wide, tall, colour)
        _text(axis, (left, bases[name] + tall + 0.13), label, ha="left")
    kept = (1 - GATE) * stages["previous"]  # the part of the mixture that Eq. 7 keeps
    _bars(axis, kept, (left, bases["gated"]), wide, tall, OLD)
    each = wide / len(stages["final"])
    for i in range(len(stages["final"])):
        _text(axis, (left + (i + 0.5) * each, bases["final"] - 0.1), str(i), size=7.5)
    _text(axis, (left + wide / 2, bases["final"] - 0.28), "memory location", size=8.5)

    x, across, up = 2.25, 1.3, 0.5  # of the boxes
    for name, step, equation in (
        ("content", "compare", "Eqs. 5, 6"),
        ("gated", "interpolate", "Eq. 7"),
        ("shifted", "shift", "Eq. 8"),
        ("final", "sharpen", "Eq. 9"),
    ):
        y = centres[name]
        _box(axis, (x, y - up / 2), across, up, face=CONTROL)
        _text(axis, (x + across / 2, y + 0.09), step, size=9.5)
        _text(axis, (x + across / 2, y - 0.12), equation, size=8.0, colour="#6b6557")
        _arrow(axis, (x + across + 0.03, y), (left - 0.1, y))
        _arrow(axis, (x - 0.32, y), (x - 0.03, y))
    for name, text in (
        (
            "content",
            "memory $M_{t-1}$\nkey $k_t$\n" + rf"key strength $\beta_t = {KEY_STRENGTH:g}$",
        ),
        ("gated", f"gate $g_t = {GATE:g}$"),
        ("final", rf"sharpening $\gamma_t = {SHARPENING:g}$"),
    ):
        _text(axis, (x - 0.4, centres[name]), text, ha="right")
    _text(axis, (x - 1.1, centres["shifted"]), "shift\nweighting $s_t$", ha="right")
    _bars(axis, stages["moves"], (x - 1.0, centres["shifted"] - 0.16), 0.6, 0.42, MIXED)
    for i, move in enumerate(("−1", "0", "+1")):
        _text(axis, (x - 0.9 + 0.2 * i, centres["shifted"] - 0.26), move, size=7.5)

    top = centres["gated"] + up / 2
    _arrow(axis, (x + 0.35, centres["content"] - up / 2), (x + 0.35, top + 0.02))
    _text(axis, (x + 0.28, top + 0.2), "$g_t$", ha="right", colour=READ)
    _arrow(axis, (left - 0.1, centres["previous"]), (x + 0.95, centres["previous"]),
           (x + 0.95, top + 0.02))  # fmt: skip
    _text(axis, (x + 1.02, top + 0.2), "$1 - g_t$", ha="left", colour="#6b6557")
    for before, after in (("gated", "shifted"), ("shifted", "final")):
        middle = x + across / 2
        _arrow(axis, (middle, centres[before] - up / 2), (middle, centres[after] + up / 2 + 0.02))
    edge = left + wide
    _arrow(axis, (edge + 0.1, centres["final"]), (edge + 0.3, centres["final"]),
           (edge + 0.3, centres["previous"]), (edge + 0.1, centres["previous"]),
           colour=OLD)  # fmt: skip
    _text(axis, (edge + 0.43, centres["shifted"] + 0.3), "kept for the next step", size=8.5,
          rotation=90.0, colour="#6b6557")  # fmt: skip
    return page.figure


def write_stages() -> dict[str, Tensor]:
    """Compute what ``write`` draws: a memory (N, M) before, within and after a write, Eqs. 3, 4."""
    before = torch.tensor([[0.2, 0.9, 0.4, 0.1], [0.8, 0.1, 0.6, 0.3], [0.9, 0.7, 0.2, 0.8],
                           [0.1, 0.5, 0.7, 0.4], [0.6, 0.3, 0.1, 0.7]])  # fmt: skip
    weighting = torch.tensor([[[0.0, 0.0, 0.8, 0.2, 0.0]]])
    erase_vector = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    add_vector = torch.tensor([[[0.0, 0.9, 0.5, 0.0]]])
    erased = memory_equations.erase(before.unsqueeze(0), weighting, erase_vector)
    after = memory_equations.add(erased, weighting, add_vector)
    return {"before": before, "weighting": weighting[0, 0], "erase": erase_vector[0, 0],
            "erased": erased[0], "add": add_vector[0, 0], "after": after[0]}  # fmt: skip


def write() -> Figure:
    """Draw one write: the memory before, after the erase, and after the add."""
    stages = write_stages()
    page, axis = canvas(3.5)
    side, bottom, pitch = 0.37, 0.42, 2.33
    for i, (name, label) in enumerate(
        (
            ("before", "before, $M_{t-1}$"),
            ("erased", r"after the erase, $\tilde{M}_t$"),
            ("after", "after the add, $M_t$"),
        )
    ):
        left = 0.78 + i * pitch
        _cells(axis, stages[name], left, bottom, side, numbers=True)
        _text(axis, (left + 2 * side, bottom - 0.2), label)
        for row, weight in enumerate(stages["weighting"].tolist()):
            y = bottom + (4 - row) * side
            if weight > 0:
                _box(
                    axis, (left, y), 4 * side, side, edge=WRITE, width=0.8 + 2 * weight, corner=0.0
                )
            if i == 0:
                _bar(axis, (left - 0.07, y + 0.15 * side), -0.38 * weight, 0.7 * side, WRITE)
                _text(axis, (left - 0.12 - 0.38 * weight, y + side / 2), short(weight), size=8.0,
                      ha="right", colour=WRITE)  # fmt: skip
    _text(axis, (0.4, bottom + 5 * side + 0.14), "$w_t$", size=10.0, colour=WRITE)
    for i, (name, equation) in enumerate((("erase", "Eq. 3"), ("add", "Eq. 4"))):
        left, y = 0.78 + (i + 1) * pitch, bottom + 2.5 * side
        _cells(axis, stages[name].unsqueeze(0), left, bottom + 6 * side - 0.05, side, numbers=True)
        _text(axis, (left + 2 * side, bottom + 7 * side + 0.11), f"{name} vector ${name[0]}_t$")
        _arrow(axis, (left + 2 * side, bottom + 6 * side - 0.09),
               (left + 2 * side, bottom + 5 * side + 0.04), colour=WRITE)  # fmt: skip
        _arrow(axis, (left - 0.76, y), (left - 0.1, y))
        _text(axis, (left - 0.44, y + 0.15), name)
        _text(axis, (left - 0.44, y - 0.16), equation, size=8.0, colour="#6b6557")
    return page.figure


def unrolled_stages() -> list[dict[str, Tensor]]:
    """Compute what ``unrolled`` draws: memory (5, 4), weightings (2, 5), read (1, 4) of each step.

    Both heads move on by one location at every step. The read head is one location behind, so that
    it reads what the step before has written. Eqs. 2 to 4, 8 and 9.
    """
    items = torch.tensor([[0.9, 0.2, 0.8, 0.1], [0.1, 0.9, 0.3, 1.0], [1.0, 0.7, 0.0, 0.4]])
    memory, on_first = torch.full((1, 5, 4), 0.5), torch.eye(5)[:1].unsqueeze(0)
    weighting = torch.cat([on_first.roll(-2, -1), on_first.roll(-1, -1)], dim=1)  # read, write
    moves, sharpening = torch.tensor([[[0.0, 0.1, 0.9]] * 2]), torch.full((1, 2, 1), 3.0)
    stages = []
    for item in items:
        weighting = equations.sharpen(equations.shift(weighting, moves), sharpening)
        reads = memory_equations.read(memory, weighting[:, :1])
        erased = memory_equations.erase(memory, weighting[:, 1:], torch.ones(1, 1, 4))
        memory = memory_equations.add(erased, weighting[:, 1:], item.view(1, 1, -1))
        stages.append({"memory": memory[0], "weighting": weighting[0], "read": reads[0]})
    return stages


def unrolled() -> Figure:
    """Draw the machine in time: what one step hands to the next, and what happens in between."""
    stages = unrolled_stages()
    page, axis = canvas(4.1)
    side, bottom, pitch, across = 0.18, 0.42, 2.7, 1.0
    wide, tall = 4 * side, 5 * side
    high, low = bottom + tall + 0.16, bottom + 0.28 * tall  # of the lanes of weightings and memory
    reads, control, top = 2.0, 2.62, bottom + tall + 0.32
    for i, (stage, time) in enumerate(zip(stages, ("t-1", "t", "t+1"), strict=True)):
        left = 0.45 + i * pitch
        middle, right = left + wide / 2, left + wide
        _cells(axis, stage["memory"], left, bottom, side)
        for weights, colour, edge, way in (
            (stage["weighting"][0], READ, left - 0.05, -1),
            (stage["weighting"][1], WRITE, right + 0.05, 1),
        ):
            for row, weight in enumerate(weights.tolist()):
                y = bottom + (4 - row) * side
                _bar(axis, (edge, y + 0.15 * side), way * 0.3 * weight, 0.7 * side, colour)
        _text(axis, (middle, bottom - 0.17), f"memory $M_{{{time}}}$")
        _text(axis, (middle, high), f"weightings $w_{{{time}}}$", size=8.5)
        _cells(axis, stage["read"], left, reads, side)
        _box(axis, (left, reads), wide, side, edge=READ, corner=0.0)
        _text(axis, (left - 0.08, reads + side / 2), f"$r_{{{time}}}$", ha="right", colour=READ)
        if i:
            _arrow(axis, (middle, reads + side + 0.04), (middle, 3.62), colour=READ)
            _text(axis, (middle, 3.76), f"output $y_{{{time}}}$")
        if i == len(stages) - 1:
            continue

        box, here = right + 0.48, ("t", "t+1")[i]  # the step between this state and the next
        centre, after = box + across / 2, left + pitch
        _box(axis, (box, control), across, 0.5, "controller", face=CONTROL, size=10.0)
        _box(axis, (box, bottom), across, top - bottom)
        for y, word, colour in (
            (0.82, "heads", INK), (0.6, "address", INK), (0.38, "read", READ),
            (0.16, "erase, add", WRITE),
        ):  # fmt: skip
            _text(axis, (centre, bottom + y * (top - bottom)), word, colour=colour)
        _text(axis, (centre, 3.76), f"input $x_{{{here}}}$")
        _arrow(axis, (centre, 3.62), (centre, control + 0.53))
        _arrow(axis, (centre, control - 0.03), (centre, top + 0.03))
        _arrow(axis, (box + across + 0.03, 3.0), (after + wide / 2 - 0.2, 3.0),
               (after + wide / 2 - 0.2, 3.62))  # fmt: skip
        _arrow(axis, (right + 0.04, reads + side / 2), (box + 0.2, reads + side / 2),
               (box + 0.2, control - 0.03), colour=READ)  # fmt: skip
        _arrow(axis, (box + 0.8, top + 0.03), (box + 0.8, reads + side / 2),
               (after - 0.42, reads + side / 2), colour=READ)  # fmt: skip
        for y, gap in ((low, 0.1), (high, 0.22)):
            _arrow(axis, (right + gap, y), (box - 0.03, y))
            _arrow(axis, (box + across + 0.03, y), (after - gap, y))
    return page.figure


def lstm_and_ntm() -> Figure:
    """Draw why a memory: an LSTM folds all it saw into one vector, an NTM has rows to keep it.

    The LSTM's states are those of a small random one; the NTM writes each item to a row of its own.
    """
    generator = torch.Generator().manual_seed(5)
    items = 0.3 + 0.7 * torch.rand(5, 4, generator=generator)
    states, memory = _lstm_states(items), torch.zeros(6, 4)
    page, axis = canvas(3.45)
    side, pitch = 0.2, 1.14
    for i in range(len(items)):
        left = 1.5 + i * pitch
        middle = left + 2 * side
        _cells(axis, states[i : i + 1], left, 2.82, side, scale=Scale(SIGNED, -1, 1))
        _cells(axis, items[i : i + 1], left, 2.08, side)
        memory[i] = items[i]  # what a one-hot write with an erase vector of ones comes to
        _cells(axis, memory.clone(), left, 0.35, side)
        _box(axis, (left, 0.35 + (5 - i) * side), 4 * side, side, edge=WRITE, width=2.2, corner=0.0)
        _text(axis, (left - 0.05, 2.18), f"$x_{i + 1}$", ha="right", size=9.5)
        _arrow(axis, (middle, 2.3), (middle, 2.79))
        _arrow(axis, (middle, 2.06), (middle, 1.58), colour=WRITE)
        if i:
            _arrow(axis, (left - pitch + 4 * side + 0.04, 2.92), (left - 0.04, 2.92))
            _arrow(axis, (left - pitch + 4 * side + 0.04, 0.95), (left - 0.04, 0.95))
    for y, name, note in (
        (2.92, "LSTM", "one vector,\nrewritten each step"),
        (0.95, "NTM", "a row for each item,\nthe others untouched"),
    ):
        _text(axis, (0.1, y + 0.2), name, size=10.5, ha="left")
        _text(axis, (0.1, y - 0.1), note, size=8.0, ha="left")
    _text(axis, (0.1, 2.18), "items", size=10.5, ha="left")
    return page.figure


def _lstm_states(items: Tensor) -> Tensor:
    """Run a small random LSTM over the items; return its hidden state after each."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(327)
        lstm = nn.LSTM(4, 4)
        for weight in lstm.parameters():
            weight.mul_(6)  # so that its state changes visibly
        states, _ = lstm(items.unsqueeze(1))
    return states.squeeze(1)


# --- drawing helpers -----------------------------------------------------------------------------


def _text(axis: Axes, at: Point, text: str, *, size: float = 9.0, colour: str = INK,
          ha: str = "center", rotation: float = 0.0) -> None:  # fmt: skip
    axis.text(*at, text, size=size, color=colour, ha=ha, va="center", linespacing=1.3,
              rotation=rotation, zorder=5)  # fmt: skip


def _box(axis: Axes, at: Point, across: float, up: float, text: str = "", *, face: str = "none",
         edge: str = FAINT, width: float = 1.3, corner: float = 0.07, style: str = "-",
         size: float = 9.0) -> None:  # fmt: skip
    shape = f"round,pad=0,rounding_size={corner}" if corner else "square,pad=0"
    box = FancyBboxPatch(at, across, up, boxstyle=shape, facecolor=face, edgecolor=edge,
                         linewidth=width, linestyle=style, zorder=4)  # fmt: skip
    axis.add_patch(box)
    _text(axis, (at[0] + across / 2, at[1] + up / 2), text, size=size)


def _arrow(axis: Axes, *points: Point, colour: str = INK) -> None:
    """Draw an arrow through points."""
    axis.add_patch(FancyArrowPatch(path=Path(points), arrowstyle="-|>", mutation_scale=10,
                                   color=colour, linewidth=1.3))  # fmt: skip


def _bar(axis: Axes, at: Point, across: float, up: float, colour: str) -> None:
    axis.add_patch(Rectangle(at, across, up, facecolor=colour, linewidth=0, zorder=2))


def _bars(axis: Axes, weighting: Tensor, at: Point, wide: float, tall: float, colour: str) -> None:
    """Draw a weighting as a bar chart on a ground whose height is 1."""
    axis.add_patch(Rectangle(at, wide, tall, facecolor=GROUND, linewidth=0, zorder=1))
    each = wide / len(weighting)
    for i, weight in enumerate(weighting.tolist()):
        _bar(axis, (at[0] + (i + 0.1) * each, at[1]), 0.8 * each, tall * weight, colour)
    axis.hlines(at[1], at[0], at[0] + wide, color=FAINT, linewidth=0.8, zorder=3)


def _cells(axis: Axes, values: Tensor, left: float, bottom: float, side: float, *,
           scale: Scale = UNIT, numbers: bool = False) -> None:  # fmt: skip
    """Draw a matrix as square cells."""
    rows, columns = values.shape
    right, top = left + columns * side, bottom + rows * side
    axis.imshow(values.numpy(), cmap=scale.colours, vmin=scale.low, vmax=scale.high, zorder=2,
                extent=(left, right, bottom, top), aspect="auto")  # fmt: skip
    lines: dict[str, Any] = {"color": PAPER, "linewidth": 0.8, "zorder": 3}
    axis.hlines([bottom + i * side for i in range(1, rows)], left, right, **lines)
    axis.vlines([left + i * side for i in range(1, columns)], bottom, top, **lines)
    if numbers:
        box = (left, top, columns * side, -rows * side)
        write_numbers(axis, values.T.double().numpy(), scale, box, 8.0)
