"""Chapter 9: associative recall, of random items and of a reader's own."""

from typing import Any

import torch
from torch import Tensor

from ntm_tutorial.analysis import last_written, phase
from ntm_tutorial.checks import whole
from ntm_tutorial.evaluation import testing_seed, wrong_bits
from ntm_tutorial.ntm import NTMTrace
from ntm_tutorial.tasks import Episode
from ntm_tutorial.tasks.associative_recall import AssociativeRecall
from ntm_tutorial.widgets import explorer as ui
from ntm_tutorial.widgets.copying import ending, own_bits
from ntm_tutorial.widgets.shelf import Models, Shelf, draw_lanes, focus_of

SPAN = AssociativeRecall.item_length + 1
"""Steps from one delimiter to the next."""

BLURRED = 0.5
"""A head stands on a location if it puts more than this much of its weight there."""


def associative_recall_explorer(
    models: Models = None, sequence: Any = None, *, items: int = 6
) -> ui.Explorer:
    """Show a list of items, query one, and follow the heads from it to the next.

    It starts with your first model; without one, with the NTM that has an LSTM controller.

    Args:
        models: your own, by name, beside those that come trained.
        sequence: your own items (K, 3, 6), zeros and ones; they have the sequence number 0.
        items: the number of items to start with, at least 2.

    Raises:
        ValueError: if a model is none, the items are not made of bits, or their number is out of
            range.
    """
    shelf = Shelf("associative-recall", models)
    own = own_bits(sequence, (AssociativeRecall.item_length, AssociativeRecall.bits), least=2)
    items = whole("items", items, 2, ui.LONGEST) if own is None else len(own)
    most = max(20, items)

    def draw(items: int, query: int, models: tuple[str, ...], number: int, step: int) -> ui.Drawing:
        drawing = _draw_recall(shelf, numbered_list(own, number, items, query), query, models, step)
        return ending(drawing, own, number, "items", most)

    number, button = ui.sequence_number()
    controls = {
        "items": ui.make_slider("Items", "The models were trained on 2 to 6", items, 2, most),
        "query": ui.make_slider(
            "Query item", "Which item to ask; the answer is the next", (items + 1) // 2, 1, most - 1
        ),
        "models": shelf.choices(),
        "number": number,
        "step": ui.make_slider(
            "Step", "Which step's memory to show", SPAN * (items + 1) + 1, 0, SPAN * (most + 2) - 1
        ),
    }
    return ui.Explorer(draw, controls, ui.row_of(controls, number=[button]))


def _draw_recall(
    shelf: Shelf, episode: Episode, query: int, names: tuple[str, ...], step: int
) -> ui.Drawing:
    items = episode.one("items")
    query, step = min(query, items - 1), min(step, len(episode.inputs) - 1)
    panels = [("inputs", episode.inputs[:, 0]), ("targets", episode.targets[:, 0])]

    def inside(label: str, trace: NTMTrace) -> list[str]:
        where = f"{phase(step, items)}; {focus_of(trace, step)}"
        return [f"Memory of {label} after step {step}, {where}.", _path(trace, items)]

    seen = f"A list of {items} items. Inputs, targets and outputs. "
    words = [f"Item {query} of {items} is asked: item {query + 1} is due."]
    return draw_lanes(
        shelf, names, episode, step, panels, seen, words, _recall_score, inside, query=items - 1
    )


def _recall_score(logits: Tensor, episode: Episode) -> str:
    """Count the wrong bits, and say which item of the list the answer is nearest to."""
    wrong, items = int(wrong_bits(logits, episode)), episode.one("items")
    answer = (logits[-AssociativeRecall.item_length :, 0] > 0).float()
    listed = episode.inputs[: SPAN * items, 0, : AssociativeRecall.bits].unflatten(0, (items, SPAN))
    away = (listed[:, 1:] != answer).sum((1, 2))
    nearest = int(away.argmin())
    closest = f"The answer is nearest to item {nearest + 1}, {int(away[nearest])} bits away."
    return f"{wrong} of {answer.numel()} bits wrong. {closest}"


def _path(trace: NTMTrace, items: int) -> str:
    """Make a table of what each read head looks at, from the query's end to the last answer."""
    written, start = last_written(trace.memory)[:, 0], SPAN * (items + 1)
    count = trace.read_weighting.shape[2]
    names = [f"read head {i + 1}" for i in range(count)] if count > 1 else ["read head"]
    heads = "".join(f"<th>&nbsp;{name}</th>" for name in names)
    rows = []
    for step in range(start, len(trace.memory)):
        looks = trace.read_weighting[step, 0]
        # A step reads before it writes.
        cells = "".join(f"<td>&nbsp;{_look(one, written[step - 1], items)}</td> " for one in looks)
        rows.append(f"<tr><td>{phase(step, items)}</td> {cells}</tr> ")
    table = f"<table><tr><th></th>{heads}</tr> {''.join(rows)}</table>"
    return f"Each location that is read, and what was last written there: {table}"


def _look(weighting: Tensor, written: Tensor, items: int) -> str:
    weight, location = weighting.max(-1)
    if weight < BLURRED:
        return "spread out"
    step = int(written[location])
    source = "never written" if step < 0 else f"written at step {step}, {phase(step, items)}"
    return f"{location}, {source}"


def numbered_list(own: Tensor | None, number: int, items: int, query: int) -> Episode:
    """Sample a list by its number, from the testing seeds; 0 is the reader's own (K, 3, 6).

    ``query`` counts from 1, and is the last but one item where there are not so many.
    """
    listed = own[:items] if own is not None and number == 0 else None
    items = items if listed is None else len(listed)
    query = min(query, items - 1)
    generator = torch.Generator().manual_seed(testing_seed(number))
    episode = AssociativeRecall().sample(1, generator=generator, items=items, query=query - 1)
    if listed is not None:
        length, bits = listed.shape[1:]
        episode.inputs[: SPAN * items, 0, :bits].unflatten(0, (items, SPAN))[:, 1:] = listed
        episode.inputs[SPAN * items + 1 :, 0, :bits][:length] = listed[query - 1]
        episode.targets[-length:, 0] = listed[query]
    return episode
