"""Chapter 10: dynamic N-grams, of bits that a reader types."""

import contextlib
import html
import itertools
from typing import Any

import ipywidgets
import torch
from torch import Tensor

from ntm_tutorial import plots
from ntm_tutorial.evaluation import testing_seed
from ntm_tutorial.ntm import NTMTrace
from ntm_tutorial.tasks import TASKS
from ntm_tutorial.tasks.dynamic_ngrams import CONTEXT, contexts, counts, optimal_predictions
from ntm_tutorial.widgets import explorer as ui
from ntm_tutorial.widgets.shelf import Models, Shelf, focus_of, tape_at


def ngrams_explorer(models: Models = None, sequence: Any = None) -> ui.Explorer:
    """Predict bits that the reader types, flips or draws; count what the optimum counts.

    Args:
        models: your own, by name, beside those that come trained.
        sequence: your own bits, as text or a tensor (T,); left out, 200 bits from a random table.

    Raises:
        ValueError: if a model is none, or the sequence is not made of bits.
    """
    shelf = Shelf("dynamic-ngrams", models)
    start = _sampled_bits(0) if sequence is None else sequence
    if not isinstance(start, str):
        numbers = torch.as_tensor(start).flatten().tolist()
        start = "".join("01"[int(number)] if number in {0, 1} else "?" for number in numbers)
    start = _text(parse_bits(start))
    tables = itertools.count(1)

    def draw(bits: str, step: int, memory: str) -> ui.Drawing:
        values = parse_bits(bits)
        return _draw_ngrams(shelf, values, min(step, len(values) - 1), memory)

    seen = "The last bit seen; predicted is the next"
    controls = {
        "bits": ui.make_control(
            ipywidgets.Text, "Bits", "Zeros and ones, then Enter; spaces do not count",
            _spaced(start),
        ),
        "step": ui.make_slider("Step", seen, len(start) // 2, 0, len(start) - 1),
        "memory": shelf.choice(shelf.names[:-1], "Memory of", "Whose memory to show"),
    }  # fmt: skip
    field, step = controls["bits"], controls["step"]
    field.layout.width = "min(100%, 60em)"

    def flip() -> None:
        with contextlib.suppress(ValueError):  # the field says already what is wrong with it
            bits = parse_bits(field.value)
            place = min(step.value, len(bits) - 1)
            bits[place] = 1 - bits[place]
            field.value = _spaced(_text(bits))

    def new_table() -> None:
        field.value = _spaced(_sampled_bits(next(tables)))

    turn = ui.make_button(
        "Flip this bit", "Turn the last bit seen from 0 to 1 or from 1 to 0", flip
    )
    table = ui.make_button(
        "New table", "Draw 32 new probabilities, and 200 bits from them", new_table
    )
    return ui.Explorer(draw, controls, ui.row_of(controls, bits=[table], step=[turn]))


def parse_bits(text: str) -> Tensor:
    """Read zeros and ones (T,); white space does not count.

    Raises:
        ValueError: if there is anything else, nothing, or too much.
    """
    digits = "".join(text.split())
    strange = sorted(set(digits) - {"0", "1"})
    if strange:
        raise ValueError(f"bits: expected zeros and ones only, got {' '.join(strange[:8])}")
    if not 1 <= len(digits) <= ui.LONGEST:
        raise ValueError(f"bits: expected 1 to {ui.LONGEST} of them, got {len(digits)}")
    return torch.tensor([float(digit) for digit in digits])


def _sampled_bits(number: int) -> str:
    generator = torch.Generator().manual_seed(testing_seed(number))
    episode = TASKS["dynamic-ngrams"].sample(1, generator=generator)
    return _text(torch.cat([episode.inputs[:, 0, 0], episode.targets[-1:, 0, 0]]))


def _text(bits: Tensor) -> str:
    return "".join(str(int(bit)) for bit in bits)


def _spaced(text: str) -> str:
    """Write bits in groups of ten."""
    return " ".join(text[i : i + 10] for i in range(0, len(text), 10))


def _draw_ngrams(shelf: Shelf, bits: Tensor, step: int, memory: str) -> ui.Drawing:
    optimal = optimal_predictions(bits[:, None])
    panels = [("input", bits[:, None]), ("optimal", optimal)]
    predictions = {"optimal": optimal[:, 0]}
    words, weightings, tape = list[str](), list[tuple[str, Tensor]](), None
    for name in shelf.names:
        run, label = shelf.run(name, bits[:, None, None]), shelf.label(name)
        if isinstance(run, str):
            words.append(run)
            continue
        panels.append((label, run.logits[:, 0].sigmoid()))
        predictions[label] = panels[-1][1][:, 0]
        if name == memory and run.trace is not None:
            weightings, tape = tape_at(run.trace, step)
            focus = focus_of(run.trace, step)
            words.append(f"{html.escape(label)}: {focus}. {_again(run.trace, bits, step)}")
        elif name == memory:
            words.append(f"{html.escape(label)} has no memory to look into.")
    words = [_counted(bits, step), _compared(predictions, bits, step), *words]
    alt = ui.plain_text("The bits, and the probability of a 1 as next bit by each model. ", words)
    figure = plots.timeline(panels + weightings, step=step, tape=tape)
    return ui.Drawing(figure, alt, ui.paragraphs(words), ends={"step": len(bits) - 1})


def _counted(bits: Tensor, step: int) -> str:
    """Say which context the step has, and what followed it so far."""
    if step < CONTEXT - 1:
        seen = "1 bit" if step == 0 else f"{step + 1} bits"
        return f"After {seen} there is no context of {CONTEXT} bits yet: the optimum is ½."
    zeros, ones = counts(bits[:, None])[step, 0].tolist()
    return (
        f"After step {step} the last {CONTEXT} bits are "
        f"<b>{_text(bits[step - CONTEXT + 1 : step + 1])}</b>. So far a 1 followed them "
        f"{_times(ones)} and a 0 {_times(zeros)}: optimal is "
        f"({ones} + ½) / ({ones} + {zeros} + 1) = {(ones + 0.5) / (ones + zeros + 1):.3f}."
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _compared(predictions: dict[str, Tensor], bits: Tensor, step: int) -> str:
    """Make a table of what each one says of the next bit, and of what all its bits cost."""
    after = f"bits {CONTEXT + 1} to {len(bits)}"
    rows = []
    for name, ones in predictions.items():
        said = ones[:-1].where(bits[1:] == 1, 1 - ones[:-1])[CONTEXT - 1 :]
        cost = 0.0 - said.log2().sum().item()  # not "-0.0" where nothing was paid
        rows.append(
            f"<tr><td>{html.escape(name)}</td><td>&nbsp;{ones[step]:.3f}</td>"
            f"<td>&nbsp;{cost:.1f}</td></tr> "
        )
    came = f"it is {int(bits[step + 1])}" if step + 1 < len(bits) else "it is not known"
    head = f"<th></th><th>&nbsp;p(next bit = 1), {came}</th><th>&nbsp;cost in bits of {after}</th>"
    return f"<table><tr>{head}</tr> {''.join(rows)}</table>"


def _again(trace: NTMTrace, bits: Tensor, step: int) -> str:
    """Say whether the read heads looked where they looked when they met this context before."""
    context = contexts(bits[:, None])[:, 0]
    if step < CONTEXT - 1:
        return ""
    earlier = (context[:step] == context[step]).nonzero().flatten()
    if len(earlier) == 0:
        return "It meets this context for the first time."
    place = trace.read_weighting[:, 0].amax(1).argmax(-1)
    same = int((place[earlier] == place[step]).sum())
    steps = ", ".join(map(str, earlier[-6:].tolist()))
    return (
        f"It met this context {_times(len(earlier))} before, last at step {steps}; at {same} of "
        f"them its read head was on the same location."
    )
