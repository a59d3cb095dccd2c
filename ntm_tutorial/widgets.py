"""Explorers: sliders beside a figure, one for each idea.

Each function returns a box: controls, a picture, and its numbers in words. Show it as the last line
of a cell::

    from ntm_tutorial import widgets
    widgets.repeat_copy_explorer()

To watch a model of your own, and a sequence of your own::

    widgets.repeat_copy_explorer(models={"mine": model}, sequence=bits)

What an explorer draws is a function of its settings alone, ``explorer.draw(**settings)``; the class
``Explorer`` ties it to the controls. Only what ipywidgets 7.7 and 8 share is used here: Colab has
the former.
"""

import base64
import contextlib
import html
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ntm_tutorial import addressing, plots, pretrained
from ntm_tutorial.evaluation import testing_seed, wrong_bits
from ntm_tutorial.ntm import NTM, NTMTrace
from ntm_tutorial.recipes import MODELS
from ntm_tutorial.tasks import TASKS, Episode
from ntm_tutorial.tasks.dynamic_ngrams import CONTEXT, contexts, counts, optimal_predictions
from ntm_tutorial.tasks.repeat_copy import mistakes

Models = Mapping[str, nn.Module | pretrained.Pretrained] | None
"""A reader's own models, by name."""

PANEL = f"background:{plots.PAPER};color:{plots.INK};padding:2px 8px;line-height:1.45"
"""A light ground of its own, so that the picture and the words are readable in dark mode."""

LONGEST = 1000
"""Bits that the field of the N-gram explorer takes."""


# --- what all explorers share --------------------------------------------------------------------


class Drawing(NamedTuple):
    """What an explorer shows for some settings.

    Attributes:
        figure: the picture.
        alt: what it shows, for a reader who cannot see it.
        words: its numbers, as HTML.
        steps: how many steps there are to choose from, where there is a choice.
    """

    figure: Figure
    alt: str
    words: str
    steps: int | None = None


class Explorer(ipywidgets.VBox):
    """Controls, a busy sign, a picture and its numbers in words.

    Attributes:
        draw: makes a ``Drawing`` from the settings, by name.
        controls: widgets with a value, by the setting that they hold.
        busy: says that something is being computed, while it is.
        picture: the figure.
        words: its numbers, or what went wrong.
    """

    def __init__(
        self,
        draw: Callable[..., Drawing],
        controls: dict[str, ipywidgets.Widget],
        buttons: Sequence[ipywidgets.Button] = (),
    ) -> None:
        self.draw, self.controls = draw, controls
        self.busy, self.picture, self.words = (ipywidgets.HTML() for _ in range(3))
        self.is_quiet = False
        row = ipywidgets.Box([*controls.values(), *buttons], layout={"flex_flow": "row wrap"})
        super().__init__([row, self.busy, self.picture, self.words])
        for control in controls.values():
            control.observe(self.update, "value")
        self.update()

    @property
    def settings(self) -> dict[str, Any]:
        """What the controls are set to."""
        return {name: control.value for name, control in self.controls.items()}

    def update(self, _change: Any = None) -> None:
        """Draw the settings as they are now; say in words what goes wrong."""
        if self.is_quiet:
            return
        self.busy.value = _status("Computing …")
        try:
            drawing = self.draw(**self.settings)
            self.picture.value = _image(drawing)
            self.words.value = _spoken(drawing.words)
            self._limit_steps(drawing.steps)
        except Exception as error:  # a reader sees a sentence, not a traceback
            kept = "The picture is still that of the last settings that worked."
            self.words.value = _spoken(f"<p><b>{_sentence(error)}</b> {kept}</p>")
        finally:
            self.busy.value = _status("")

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Change several controls and draw once, at the end."""
        self.is_quiet = True
        try:
            yield
        finally:
            self.is_quiet = False
        self.update()

    def _limit_steps(self, steps: int | None) -> None:
        """Let the step slider end where the sequence ends; the drawing did so already."""
        if steps is not None:
            self.is_quiet = True
            self.controls["step"].max = steps - 1
            self.is_quiet = False


def _status(text: str) -> str:
    """Say it where a screen reader hears it; the line keeps its height when there is nothing."""
    return f'<div role="status" aria-live="polite">{text or "&nbsp;"}</div>'


def _spoken(words: str) -> str:
    return f'<div style="{PANEL}" aria-live="polite">{words}</div>'


def _image(drawing: Drawing) -> str:
    data = base64.b64encode(plots.png(drawing.figure)).decode()
    look = f"max-width:100%;height:auto;background:{plots.PAPER}"
    return (
        f'<img alt="{html.escape(drawing.alt)}" style="{look}" src="data:image/png;base64,{data}">'
    )


def _sentence(error: Exception) -> str:
    """Say what went wrong, safely for HTML."""
    text = str(error) or type(error).__name__
    if not isinstance(error, ValueError):
        text = f"{type(error).__name__}: {text}"
    return html.escape(text[:1].upper() + text[1:].rstrip(".") + ".")


def _control(kind: Any, description: str, tip: str, value: Any, **traits: Any) -> Any:
    """Make a control with a label and a tooltip, which ipywidgets 7 calls by another name."""
    if kind.class_traits().get("continuous_update") is not None:
        traits["continuous_update"] = False
    style = {"description_width": "8.5em"}
    layout = {"width": "min(100%, 26em)"}
    control = kind(value=value, description=description, style=style, layout=layout, **traits)
    setattr(control, "tooltip" if control.has_trait("tooltip") else "description_tooltip", tip)
    return control


def _slider(description: str, tip: str, value: int, low: int, high: int) -> ipywidgets.IntSlider:
    return _control(ipywidgets.IntSlider, description, tip, value, min=low, max=high)


def _button(description: str, tip: str, action: Callable[[], None]) -> ipywidgets.Button:
    button = ipywidgets.Button(description=description, tooltip=tip, layout={"width": "auto"})
    button.on_click(lambda _: action())
    return button


def _sequence_number() -> tuple[ipywidgets.BoundedIntText, ipywidgets.Button]:
    """Make a number that stands for a random sequence, and a button that goes to the next."""
    tip = "Each number stands for one random sequence; the same number, the same sequence"
    number = _control(ipywidgets.BoundedIntText, "Sequence no.", tip, 0, min=0, max=9999, step=1)

    def following() -> None:
        number.value = (number.value + 1) % (number.max + 1)

    return number, _button("New sequence", "Draw another random sequence", following)


# --- models and runs -----------------------------------------------------------------------------


class Run(NamedTuple):
    """What a model did with one sequence, on the CPU; only an NTM leaves a trace."""

    logits: Tensor
    trace: NTMTrace | None


class Shelf:
    """A task's models by name: a reader's own, then those that come trained.

    A trained model is loaded when it is first asked for. The last runs are kept, so that looking at
    another step of the same run costs nothing.
    """

    def __init__(self, task_name: str, own: Models) -> None:
        self.own = {name: _module(name, model) for name, model in (own or {}).items()}
        self.names = (*(name for name in self.own if name not in MODELS), *MODELS)
        self.model = cache(self._load)  # an error is not kept: the next call tries again
        self.task_name, self.runs = task_name, dict[tuple[Any, ...], Run]()

    def _load(self, name: str) -> nn.Module:
        return self.own[name] if name in self.own else pretrained.load(self.task_name, name).model

    def label(self, name: str) -> str:
        """Write a model's name out."""
        return plots.LABELS.get(name, name)

    def groups(self) -> list[tuple[str, tuple[str, ...]]]:
        """List what can be shown at once: each model, each beside the LSTM, and all of them."""
        alone = [(self.label(name), (name,)) for name in self.names]
        beside = [(f"{self.label(name)}; LSTM", (name, "lstm")) for name in self.names[:-1]]
        return [*alone, *beside, ("all of them", self.names)]

    def run(self, name: str, inputs: Tensor) -> Run | str:
        """Run a model on one sequence (T, 1, I); if that fails, say so in a sentence of HTML."""
        try:
            model = self.model(name)
            # A model that was trained further has new weights, and is run again.
            weights = sum(parameter._version for parameter in model.parameters())
            key = (name, weights, tuple(inputs.shape), inputs.numpy().tobytes())
            if key not in self.runs:
                while len(self.runs) >= 6:
                    del self.runs[next(iter(self.runs))]
                self.runs[key] = _run(model, inputs, TASKS[self.task_name].output_size)
            return self.runs[key]
        except Exception as error:
            return f"{html.escape(self.label(name))}: {_sentence(error)}"


def _module(name: str, model: nn.Module | pretrained.Pretrained) -> nn.Module:
    model = model.model if isinstance(model, pretrained.Pretrained) else model
    if not isinstance(model, nn.Module):
        raise ValueError(f"models: expected a model for {name!r}, got {type(model).__name__}")
    return model


@torch.no_grad()
def _run(model: nn.Module, inputs: Tensor, output_size: int) -> Run:
    inputs, trace = inputs.to(next(model.parameters()).device), None
    if isinstance(model, NTM):
        logits, trace = model.trace(inputs)
        trace = NTMTrace(*(part.cpu() for part in trace))
    else:
        logits, _ = model(inputs)
    if logits.shape != (*inputs.shape[:2], output_size):
        raise ValueError(f"expected {output_size} outputs for this task, got {logits.shape[-1]}")
    if not bool(logits.isfinite().all()):
        raise ValueError("its outputs are not all finite numbers; did its training blow up?")
    return Run(logits.cpu(), trace)


def _tape(trace: NTMTrace, step: int) -> tuple[list[tuple[str, Tensor]], plots.Tape]:
    """Return the panels of where the heads were, and the memory at a step.

    Of several heads of a kind each location shows the largest weight. Locations that no head went
    to are left out.
    """
    write, read = trace.write_weighting[:, 0].amax(1), trace.read_weighting[:, 0].amax(1)
    shown = plots.used_locations(write.double().numpy(), read.double().numpy())
    low, high = trace.memory.min().item(), trace.memory.max().item()
    tape = plots.Tape(trace.memory[step, 0], read[step], write[step], shown, low, high)
    span = f"locations {shown[0]} to {shown[-1]}"
    panels = [("write weighting", write[:, shown]), ("read weighting", read[:, shown])]
    return [(f"{name}, {span}", panel) for name, panel in panels], tape


def _focus(tape: plots.Tape) -> str:
    """Say where the heads of a tape are."""
    places = []
    for name, weights in (("write", tape.write), ("read", tape.read)):
        weight, location = weights.max(0)
        places.append(f"{name} head: weight {weight:.2f} on location {location}")
    return "; ".join(places)


def _own_vectors(sequence: Any, bits: int) -> Tensor | None:
    """Return a reader's own vectors (L, bits)."""
    if sequence is None:
        return None
    vectors = torch.as_tensor(sequence).detach().cpu().float()
    if vectors.dim() == 3 and vectors.shape[1] == 1:
        vectors = vectors[:, 0]
    if vectors.dim() != 2 or vectors.shape[1] != bits or len(vectors) == 0:
        shape = tuple(vectors.shape)
        raise ValueError(f"sequence: expected vectors of {bits} bits, (L, {bits}), got {shape}")
    if not bool(((vectors == 0) | (vectors == 1)).all()):
        raise ValueError("sequence: expected zeros and ones")
    return vectors


def _episode(
    task_name: str, own: Tensor | None, number: int, length: int, repeats: int = 1
) -> Episode:
    """Sample a sequence by its number, from the testing seeds; 0 is the reader's own, if given."""
    vectors = own[:length] if own is not None and number == 0 else None
    length = length if vectors is None else len(vectors)
    generator = torch.Generator().manual_seed(testing_seed(number))
    difficulty = {"length": length} | ({"repeats": repeats} if task_name == "repeat-copy" else {})
    episode = TASKS[task_name].sample(1, generator=generator, **difficulty)
    if vectors is not None:
        episode.inputs[:length, 0, : vectors.shape[1]] = vectors
        copies = vectors.repeat(repeats, 1)
        episode.targets[length + 1 :, 0, : vectors.shape[1]][: len(copies)] = copies
    return episode


def _wrong_per_step(logits: Tensor, episode: Episode) -> Tensor:
    wrong = (logits > 0) != (episode.targets > 0.5)
    return wrong[:, 0].sum(-1) * episode.mask


def _items(lines: list[str]) -> str:
    return "".join(f"<p style='margin:2px 0'>{line}</p>" for line in lines)


# --- addressing, chapter 4 -----------------------------------------------------------------------

MEMORY = torch.tensor(
    [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [-1, 0, 1], [-1, 0, 0], [0, -1, 1], [1, 1, 1]]
).float()
"""The small memory of ``addressing_explorer``, one row a line."""

KEYS = {
    "1, 1, 0: row 2": (1.0, 1.0, 0.0),
    "1, 0.4, 0: between rows 0 and 2": (1.0, 0.4, 0.0),
    "0, 0, 1: row 3": (0.0, 0.0, 1.0),
    "-1, 0, 0.4: between rows 5 and 4": (-1.0, 0.0, 0.4),
    "0, 0, 0: no direction": (0.0, 0.0, 0.0),
}


def addressing_explorer() -> Explorer:
    """Take a head through Equations 5 to 9, stage by stage, on a memory of 8 rows."""
    where = "Where the head was before the first step"
    again = "Take the same step so many times, each from where the last one ended"
    spread = "Between whole numbers the shift weighting is split between the two neighbours"
    real = ipywidgets.FloatSlider
    controls = {
        "key": _control(
            ipywidgets.Dropdown, "Key", "What to look up", (1.0, 1.0, 0.0), options=[*KEYS.items()]
        ),
        "key_strength": _control(
            real, "Key strength", "How much the best match wins", 5.0, min=0.5, max=30.0, step=0.5
        ),
        "start": _slider("Previous focus", where, 6, 0, len(MEMORY) - 1),
        "gate": _control(real, "Gate", "1 looks up, 0 stays", 0.7, min=0.0, max=1.0, step=0.05),
        "shift": _control(real, "Shift", spread, 0.8, min=-1.0, max=1.0, step=0.05),
        "sharpening": _control(
            real, "Sharpening", "1 changes nothing", 3.0, min=1.0, max=10.0, step=0.25
        ),
        "repeats": _slider("Steps in a row", again, 1, 1, 20),
    }
    return Explorer(_draw_addressing, controls)


def _draw_addressing(
    key: tuple[float, ...],
    key_strength: float,
    start: int,
    gate: float,
    shift: float,
    sharpening: float,
    repeats: int,
) -> Drawing:
    memory, k = MEMORY[None], torch.tensor(key)[None, None]
    strength, g, gamma = (torch.full((1, 1, 1), x) for x in (key_strength, gate, sharpening))
    s = torch.tensor([max(-shift, 0.0), 1 - abs(shift), max(shift, 0.0)])[None, None]
    final = torch.eye(len(MEMORY))[start][None, None]
    for _ in range(repeats):
        previous = final
        content = addressing.content_weighting(memory, k, strength)
        gated = addressing.interpolate(content, previous, g)
        shifted = addressing.shift(gated, s)
        final = addressing.sharpen(shifted, gamma)
    stages = {
        "previous": previous,
        "content, Eq. 5": content,
        "gated, Eq. 7": gated,
        "shifted, Eq. 8": shifted,
        "sharpened, Eq. 9": final,
    }
    similarity = addressing.cosine_similarity(memory, k)[0, 0]
    figure = plots.addressing_stages(MEMORY, k[0, 0], similarity, stages)
    tops = "; ".join(f"{name}: {_top(weights[0, 0])}" for name, weights in stages.items())
    back, stay, on = s[0, 0].tolist()
    words = [
        f"Largest weight. {tops}.",
        f"Shift weighting: {back:.2f} on −1, {stay:.2f} on 0, {on:.2f} on +1.",
    ]
    numbers = ", ".join(f"{value:.2f}" for value in final[0, 0])
    alt = f"A memory of 8 rows, a key, and five bar charts of weightings. Final: {numbers}."
    return Drawing(figure, f"{alt} {tops}.", _items(words))


def _top(weights: Tensor) -> str:
    weight, location = weights.max(-1)
    if weight - weights.min() < 1e-6:
        return f"{weight:.3f} on every location"
    return f"{weight:.2f} on location {location}"


# --- copy, chapter 7 -----------------------------------------------------------------------------


def copy_explorer(
    models: Models = None, sequence: Any = None, *, length: int = 20, longest: int = 120
) -> Explorer:
    """Copy random sequences of any length, with any of the models.

    Args:
        models: your own, by name, beside those that come trained.
        sequence: your own vectors (L, 8), zeros and ones; they have the sequence number 0.
        length: the length to start with.
        longest: the end of the length slider.

    Raises:
        ValueError: if a model is none, or the sequence is not made of bits.
    """
    shelf, own = Shelf("copy", models), _own_vectors(sequence, TASKS["copy"].output_size)
    length, longest = (length, longest) if own is None else (len(own), max(longest, len(own)))

    def draw(length: int, model: str, number: int) -> Drawing:
        return _draw_copy(shelf, _episode("copy", own, number, length), model)

    number, button = _sequence_number()
    tip = "How many vectors to copy; the models were trained on 1 to 20"
    options = [(shelf.label(name), name) for name in shelf.names]
    controls = {
        "length": _slider("Length", tip, length, 1, longest),
        "model": _control(
            ipywidgets.Dropdown, "Model", "Who copies", shelf.names[0], options=options
        ),
        "number": number,
    }
    return Explorer(draw, controls, [button])


def _draw_copy(shelf: Shelf, episode: Episode, name: str) -> Drawing:
    answer = episode.mask
    length = int(answer.sum())
    panels = [("targets", episode.targets[answer, 0])]
    run = shelf.run(name, episode.inputs)
    if isinstance(run, str):
        words, alt = run, f"The targets for length {length}."
    else:
        mistaken = _wrong_per_step(run.logits, episode)[answer]
        panels += [("outputs", run.logits[answer, 0].sigmoid()), ("wrong bits", mistaken)]
        wrong = int(wrong_bits(run.logits, episode))
        right = int((mistaken == 0).long().cumprod(0).sum())
        words = (
            f"<b>{html.escape(shelf.label(name))}</b>, length {length}: {wrong:,} of "
            f"{8 * length:,} bits wrong. Right from the start: {right} of {length} vectors."
        )
        alt = (
            f"Targets, outputs and wrong bits of {shelf.label(name)} at length {length}: "
            f"{wrong:,} of {8 * length:,} bits are wrong."
        )
    return Drawing(plots.timeline(panels), alt, _items([words]))


# --- repeat copy, chapter 8 ----------------------------------------------------------------------


def repeat_copy_explorer(
    models: Models = None,
    sequence: Any = None,
    *,
    length: int = 10,
    repeats: int = 20,
    longest: int = 30,
    most: int = 30,
) -> Explorer:
    """Repeat sequences of any length any number of times, and walk through an NTM's memory.

    Args:
        models: your own, by name, beside those that come trained.
        sequence: your own vectors (L, 8), zeros and ones; they have the sequence number 0.
        length: the length to start with.
        repeats: the repeats to start with.
        longest: the end of the length slider.
        most: the end of the repeats slider.

    Raises:
        ValueError: if a model is none, or the sequence is not made of bits.
    """
    shelf, own = Shelf("repeat-copy", models), _own_vectors(sequence, TASKS["copy"].output_size)
    length, longest = (length, longest) if own is None else (len(own), max(longest, len(own)))

    def draw(length: int, repeats: int, models: tuple[str, ...], number: int, step: int) -> Drawing:
        episode = _episode("repeat-copy", own, number, length, repeats)
        return _draw_repeat_copy(shelf, episode, models, min(step, len(episode.inputs) - 1))

    number, button = _sequence_number()
    tips = "The models were trained on 1 to 10"
    shown = "The memory is that of the first NTM shown"
    controls = {
        "length": _slider("Length", f"Vectors to copy. {tips}", length, 1, longest),
        "repeats": _slider("Repeats", f"How often to copy them. {tips}", repeats, 1, most),
        "models": _control(
            ipywidgets.Dropdown, "Models", shown, shelf.names[:1], options=shelf.groups()
        ),
        "number": number,
        "step": _slider(
            "Step", "Which step's memory to show", length + 1, 0, length * (repeats + 1) + 1
        ),
    }
    return Explorer(draw, controls, [button])


def _draw_repeat_copy(shelf: Shelf, episode: Episode, names: tuple[str, ...], step: int) -> Drawing:
    length = int(episode.mask.long().argmax()) - 1
    repeats = (len(episode.inputs) - 2) // length - 1
    panels = [("inputs", episode.inputs[:, 0, :9]), ("targets", episode.targets[:, 0])]
    words, weightings, tape = list[str](), list[tuple[str, Tensor]](), None
    for name in names:
        run, label = shelf.run(name, episode.inputs), shelf.label(name)
        if isinstance(run, str):
            words.append(run)
            continue
        panels.append((f"outputs: {label}", run.logits[:, 0].sigmoid()))
        panels.append(("wrong bits", _wrong_per_step(run.logits, episode)))
        words.append(f"<b>{html.escape(label)}</b>: {_repeat_score(run.logits, episode)}")
        if run.trace is not None and tape is None:
            weightings, tape = _tape(run.trace, step)
            where = f"{_phase(step, length, repeats)}; {_focus(tape)}"
            words.append(f"Memory of {html.escape(label)} after step {step}, {where}.")
        elif len(names) == 1:
            words.append("There is no memory to walk through: for that, choose an NTM.")
    alt = _plain(f"Length {length}, repeats {repeats}. Inputs, targets and outputs. ", words)
    figure = plots.timeline(panels + weightings, step=step, tape=tape)
    return Drawing(figure, alt, _items(words), steps=len(episode.inputs))


def _repeat_score(logits: Tensor, episode: Episode) -> str:
    """Count the wrong copied bits, and the others: the end marker's and the last step's."""
    found = mistakes(logits, episode)
    repeats, length, _ = found.copied.shape
    others = 9 * int(episode.mask.sum()) - 8 * repeats * length
    ends = [str(r + 1) for r in found.ended[:, 0].nonzero().flatten().tolist()]
    said = f"after repetition {', '.join(ends[:12])}{' …' * (len(ends) > 12)}" if ends else "never"
    return (
        f"{int(found.copied.sum()):,} of {8 * repeats * length:,} copied bits wrong, the first "
        f"{int(found.right_repetitions)} of {repeats} repetitions all right; of the end marker and "
        f"the last step {int(found.end)} of {others} bits wrong. It says “end” {said}."
    )


def _phase(step: int, length: int, repeats: int) -> str:
    """Say what is due at a step."""
    if step < length:
        return f"input of vector {step + 1} of {length}"
    if step == length:
        return f"delimiter and repeat count {repeats}"
    repetition, vector = divmod(step - length - 1, length)
    if repetition == repeats:
        return "where the end marker is due"
    return f"repetition {repetition + 1} of {repeats}, vector {vector + 1} of {length}"


def _plain(start: str, words: list[str]) -> str:
    """Turn words in HTML into an alternative text."""
    return start + html.unescape(re.sub("<[^>]*>", "", " ".join(words)))


# --- dynamic N-grams, chapter 10 -----------------------------------------------------------------


def ngrams_explorer(models: Models = None, sequence: Any = None) -> Explorer:
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
        start = "".join(str(bit) for bit in torch.as_tensor(start).flatten().int().tolist())
    start = _text(parse_bits(start))
    tables = itertools.count(1)

    def draw(bits: str, step: int, memory: str) -> Drawing:
        values = parse_bits(bits)
        return _draw_ngrams(shelf, values, min(step, len(values) - 1), memory)

    options = [(shelf.label(name), name) for name in shelf.names[:-1]]
    seen = "The last bit seen; predicted is the next"
    controls = {
        "bits": _control(
            ipywidgets.Textarea, "Bits", "Zeros and ones; spaces do not count", _spaced(start),
            rows=5,
        ),
        "step": _slider("Step", seen, len(start) // 2, 0, len(start) - 1),
        "memory": _control(
            ipywidgets.Dropdown, "Memory of", "Whose memory to show", options[0][1], options=options
        ),
    }  # fmt: skip
    field, step = controls["bits"], controls["step"]

    def flip() -> None:
        with contextlib.suppress(ValueError):  # the field says already what is wrong with it
            bits = parse_bits(field.value)
            place = min(step.value, len(bits) - 1)
            bits[place] = 1 - bits[place]
            field.value = _spaced(_text(bits))

    def new_table() -> None:
        field.value = _spaced(_sampled_bits(next(tables)))

    return Explorer(draw, controls, [
        _button("Flip this bit", "Turn the last bit seen from 0 to 1 or from 1 to 0", flip),
        _button("New table", "Draw 32 new probabilities, and 200 bits from them", new_table),
    ])  # fmt: skip


def parse_bits(text: str) -> Tensor:
    """Read zeros and ones (T,); white space does not count.

    Raises:
        ValueError: if there is anything else, nothing, or too much.
    """
    digits = "".join(text.split())
    strange = sorted(set(digits) - {"0", "1"})
    if strange:
        raise ValueError(f"bits: expected zeros and ones only, got {' '.join(strange[:8])}")
    if not 1 <= len(digits) <= LONGEST:
        raise ValueError(f"bits: expected 1 to {LONGEST} of them, got {len(digits)}")
    return torch.tensor([float(digit) for digit in digits])


def _sampled_bits(number: int) -> str:
    generator = torch.Generator().manual_seed(testing_seed(number))
    episode = TASKS["dynamic-ngrams"].sample(1, generator=generator)
    return _text(torch.cat([episode.inputs[:, 0, 0], episode.targets[-1:, 0, 0]]))


def _text(bits: Tensor) -> str:
    return "".join(str(int(bit)) for bit in bits)


def _spaced(text: str) -> str:
    """Write bits in groups of ten."""
    text = "".join(text.split())
    return " ".join(text[i : i + 10] for i in range(0, len(text), 10))


def _draw_ngrams(shelf: Shelf, bits: Tensor, step: int, memory: str) -> Drawing:
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
            weightings, tape = _tape(run.trace, step)
            words.append(f"{html.escape(label)}: {_focus(tape)}. {_again(run.trace, bits, step)}")
        elif name == memory:
            words.append(f"{html.escape(label)} has no memory to look into.")
    words = [_counted(bits, step), _compared(predictions, bits, step), *words]
    alt = _plain("The bits, and the probability of a 1 as next bit by each model. ", words)
    figure = plots.timeline(panels + weightings, step=step, tape=tape)
    return Drawing(figure, alt, _items(words), steps=len(bits))


def _counted(bits: Tensor, step: int) -> str:
    """Say which context the step has, and what followed it so far."""
    if step < CONTEXT - 1:
        return f"After {step + 1} bits there is no context of {CONTEXT} bits yet: the optimum is ½."
    zeros, ones = counts(bits[:, None])[step, 0].tolist()
    return (
        f"After step {step} the last {CONTEXT} bits are "
        f"<b>{_text(bits[step - CONTEXT + 1 : step + 1])}</b>. So far a 1 followed them {ones} "
        f"times and a 0 {zeros} times: optimal is ({ones} + ½) / ({ones} + {zeros} + 1) = "
        f"{(ones + 0.5) / (ones + zeros + 1):.3f}."
    )


def _compared(predictions: dict[str, Tensor], bits: Tensor, step: int) -> str:
    """Make a table of what each one says of the next bit, and of what all its bits cost."""
    after = f"bits {CONTEXT + 1} to {len(bits)}"
    rows = []
    for name, ones in predictions.items():
        said = ones[:-1].where(bits[1:] == 1, 1 - ones[:-1])[CONTEXT - 1 :]
        cost = -said.log2().sum().item()
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
        f"It met this context {len(earlier)} times before, last at step {steps}; at {same} of "
        f"them its read head was on the same location."
    )
