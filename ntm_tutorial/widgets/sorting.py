"""Chapter 11: priority sort, with a slider for the priority of each vector."""

from collections.abc import Callable
from functools import partial
from typing import Any

import ipywidgets
import torch
from torch import Tensor

from ntm_tutorial.analysis import fit_writes, right_rows
from ntm_tutorial.checks import as_numbers
from ntm_tutorial.evaluation import testing_seed, wrong_bits
from ntm_tutorial.ntm import NTMTrace
from ntm_tutorial.tasks import Episode
from ntm_tutorial.tasks.priority_sort import PrioritySort, arrange
from ntm_tutorial.widgets import explorer as ui
from ntm_tutorial.widgets.copying import own_bits
from ntm_tutorial.widgets.shelf import Models, Shelf, draw_lanes, focus_of

Order = Callable[[int, int], float] | None
ORDERS: list[tuple[str, str, Order]] = [
    ("In order", "The first vector gets the highest priority", lambda i, n: 1 - (2 * i + 1) / n),
    ("In reverse", "The last vector gets the highest priority", lambda i, n: (2 * i + 1) / n - 1),
    (
        "Crowded",
        "All priorities lie in a narrow range, mixed",
        lambda i, n: 0.4 * ((7 * i) % n) / n - 0.2,
    ),
    ("As drawn", "The priorities that the sequence came with", None),
]
"""Buttons: their names, what they do, and the priority of each vector of so many, if new."""


def priority_sort_explorer(
    models: Models = None, sequence: Any = None, priorities: Any = None
) -> ui.Explorer:
    """Sort vectors by priorities that the reader sets, and see where a machine wrote them.

    It starts with your first model; without one, with the NTM that has a feed-forward controller.

    Args:
        models: your own, by name, beside those that come trained.
        sequence: your own vectors (L, 8), zeros and ones, 2 to 40 of them; they have the sequence
            number 0. Four of five are asked for.
        priorities: of your own vectors (L,), numbers from -1 to 1; left out, drawn.

    Raises:
        ValueError: if a model is none, the sequence is not made of bits, there are too many or too
            few vectors, or the priorities do not fit them.
    """
    shelf, own = Shelf("priority-sort", models), own_bits(sequence, (PrioritySort.bits,))
    items = PrioritySort.training_range["items"][0] if own is None else len(own)
    if not 2 <= items <= 40:
        raise ValueError(f"sequence: expected 2 to 40 vectors, got {items}")
    given = None if priorities is None else _own_priorities(priorities, items)

    def start(number: int) -> tuple[Tensor, Tensor]:
        return _start(number, items, own, given)

    def draw(model: str, number: int, step: int, **knobs: float) -> ui.Drawing:
        set_to = torch.tensor([*knobs.values()])
        episode = arrange(start(number)[0][:, None], set_to[:, None], round(0.8 * items))
        return _draw_sort(shelf, episode, model, step)

    number, button = ui.sequence_number()
    controls = {
        "model": shelf.choice(shelf.names, "Model", "Who sorts"),
        "number": number,
        "step": ui.make_slider("Step", "Which step's memory to show", items, 0,
                               items + round(0.8 * items)),
    }  # fmt: skip
    knobs = [_knob(place, value) for place, value in enumerate(start(0)[1].tolist())]

    def turn_knobs(order: Order = None) -> None:
        """Give the vectors the priorities of an order, or those they came with; draw nothing."""
        before, explorer.is_quiet = explorer.is_quiet, True
        for place, (knob, drawn) in enumerate(zip(knobs, start(number.value)[1], strict=True)):
            knob.value = round(order(place, items), 2) if order else drawn.item()
        explorer.is_quiet = before

    def arranged(order: Order) -> None:
        turn_knobs(order)
        explorer.update()

    # First, so that they are turned when the explorer draws.
    number.observe(lambda _: turn_knobs(), "value")
    row = ui.row_of(controls, number=[button])
    controls |= {f"priority_{place + 1}": knob for place, knob in enumerate(knobs)}
    orders = [ui.make_button(name, tip, partial(arranged, order)) for name, tip, order in ORDERS]
    scrolls = {"overflow": "auto hidden", "width": "100%"}
    row += [ipywidgets.HBox(orders), ipywidgets.HBox(knobs, layout=scrolls)]
    explorer = ui.Explorer(draw, controls, row)
    return explorer


def _knob(place: int, value: float) -> ipywidgets.FloatSlider:
    """Make an upright slider for one vector's priority."""
    tip = f"Priority of vector {place + 1}, from -1 to 1"
    knob = ui.make_control(
        ipywidgets.FloatSlider, str(place + 1), tip, value,
        min=-1.0, max=1.0, step=0.01, orientation="vertical",
    )  # fmt: skip
    knob.layout.width, knob.layout.height = "3.6em", "12em"
    knob.style.description_width = "auto"
    return knob


def _own_priorities(priorities: Any, items: int) -> Tensor:
    """Return a reader's own priorities (L,)."""
    values = as_numbers("priorities", priorities).flatten()
    if len(values) != items or not bool((values.abs() <= 1).all()):
        raise ValueError(
            f"priorities: expected {items} numbers from -1 to 1, one for each vector, "
            f"got {priorities}"
        )
    return values


def _start(
    number: int, items: int, own: Tensor | None, given: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the vectors (L, 8) and priorities (L,) of a sequence; 0 is the reader's own."""
    generator = torch.Generator().manual_seed(testing_seed(number))
    drawn = PrioritySort().sample(1, generator=generator, items=items, answers=1)
    vectors = drawn.inputs[:items, 0, : PrioritySort.bits]
    priorities = drawn.inputs[:items, 0, PrioritySort.bits]
    if number == 0:
        vectors = vectors if own is None else own
        priorities = priorities if given is None else given
    return vectors, (100 * priorities).round() / 100


def _draw_sort(shelf: Shelf, episode: Episode, name: str, step: int) -> ui.Drawing:
    bits, items = PrioritySort.bits, episode.one("items")
    priorities = episode.inputs[:items, 0, bits]
    shown = torch.full((len(episode.mask), 1), torch.nan)
    shown[:items, 0] = (priorities + 1) / 2
    panels = [
        ("priority, dark −1, yellow 1", shown),
        ("inputs", episode.inputs[:, 0, [*range(bits), bits + 1]]),
        ("targets", episode.targets[:, 0]),
    ]
    order = priorities.argsort(descending=True, stable=True).tolist()
    listed = ", ".join(str(item + 1) for item in order)
    words = [f"Vectors by number, from the highest priority to the lowest: {listed}."]

    def inside(_: str, trace: NTMTrace) -> list[str]:
        where = f"After step {step}, {_phase(step, items)}; {focus_of(trace, step)}."
        return [_written(trace, priorities, order), where]

    seen = "Priorities, inputs, targets and outputs. "
    return draw_lanes(shelf, [name], episode, step, panels, seen, words, _score, inside)


def _score(logits: Tensor, episode: Episode) -> str:
    right = right_rows(logits, episode)[:, 0]
    wrong, asked = int(wrong_bits(logits, episode)), PrioritySort.bits * len(right)
    places = [str(place + 1) for place in (~right).nonzero().flatten().tolist()]
    where = f"; not at place {', '.join(places)}" if places else ""
    return (
        f"{wrong} of {asked} bits wrong; {int(right.sum())} of {len(right)} vectors are right and "
        f"in their place{where}."
    )


def _written(trace: NTMTrace, priorities: Tensor, order: list[int]) -> str:
    """Say where the vectors were written, and how well a line through the priorities tells it."""
    if bool((priorities == priorities[0]).all()):
        return "All priorities are equal, so there is no line to fit to where it wrote."
    late, fit = fit_writes(trace.write_weighting, priorities[:, None])
    count = trace.memory.shape[2]
    places = ", ".join(str(fit.locations[item, 0].item() % count) for item in order)
    when = "one step after it came in" if late else "as it came in"
    return (
        f"Write head {fit.head + 1} follows the priorities best. Where it wrote each vector "
        f"{when}, in the order of the answer: {places}. Location {fit.intercept:.1f} "
        f"{fit.slope:+.1f} × priority explains R² = {fit.r_squared:.2f} of it."
    )


def _phase(step: int, items: int) -> str:
    """Say what is due at a step."""
    if step < items:
        return f"input of vector {step + 1} of {items}"
    return "delimiter" if step == items else f"where place {step - items} is due"
