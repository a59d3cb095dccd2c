"""Models to choose from, what they did with a sequence, and their memory at a step."""

import html
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import ipywidgets
import torch
from torch import Tensor, nn

from ntm_tutorial import plots, pretrained
from ntm_tutorial.evaluation import evaluating, wrong
from ntm_tutorial.models import FAMILIES, FIRST, run_traced
from ntm_tutorial.ntm import NTMTrace
from ntm_tutorial.recipes import RECIPES
from ntm_tutorial.tasks import TASKS, Episode
from ntm_tutorial.widgets.explorer import Drawing, make_control, paragraphs, plain_text, sentence

Models = Mapping[str, nn.Module | pretrained.Pretrained] | None
"""A reader's own models, by name."""


class Run(NamedTuple):
    """What a model did with one sequence, on the CPU; only one with heads leaves a trace."""

    logits: Tensor
    trace: NTMTrace | None


class Shelf:
    """A task's models by name: a reader's own, then those that come trained.

    A trained model is loaded when it is first asked for. The last runs are kept, so that looking at
    another step of the same run costs nothing.

    Raises:
        ValueError: if one of the reader's own is no model.
    """

    def __init__(self, task_name: str, own: Models) -> None:
        self.own = {name: _module(name, model) for name, model in (own or {}).items()}
        trained = [model for task, model in RECIPES if task == task_name]
        self.names = (*(name for name in self.own if name not in trained), *trained)
        self.first = next(iter(self.own), FIRST)
        self.model = cache(self._load)  # an error is not kept: the next call tries again
        self.task_name, self.runs = task_name, dict[tuple[Any, ...], Run]()

    def _load(self, name: str) -> nn.Module:
        return self.own[name] if name in self.own else pretrained.load(self.task_name, name).model

    def label(self, name: str) -> str:
        """Write a model's name out."""
        return plots.LABELS.get(name, name)

    def choice(self, names: Sequence[str], description: str, tip: str) -> ipywidgets.Dropdown:
        """Make a control that chooses one model, at first the reader's first, or the first."""
        options = [(self.label(name), name) for name in names]
        first = next((name for name in self.own if name in names), names[0])
        return make_control(ipywidgets.Dropdown, description, tip, first, options=options)

    def choices(self) -> ipywidgets.Dropdown:
        """Make a control that chooses models: each, each beside the baseline, or all of them."""
        rows = [name for name in self.names if name in FAMILIES and FAMILIES[name].baseline]
        beside = [(name, row) for row in rows for name in self.names if name != row]
        groups = [*((name,) for name in self.names), *beside]
        options = [("; ".join(map(self.label, group)), group) for group in groups]
        return make_control(
            ipywidgets.Dropdown, "Models", "The memory is that of the first NTM shown",
            (self.first,), options=[*options, ("all of them", self.names)],
        )  # fmt: skip

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
            return f"{html.escape(self.label(name))}: {sentence(error)}"


def _module(name: str, model: nn.Module | pretrained.Pretrained) -> nn.Module:
    model = model.model if isinstance(model, pretrained.Pretrained) else model
    if not isinstance(model, nn.Module):
        raise ValueError(f"models: expected a model for {name!r}, got {type(model).__name__}")
    return model


@torch.no_grad()
def _run(model: nn.Module, inputs: Tensor, output_size: int) -> Run:
    weight = next(model.parameters())
    with evaluating(model):
        logits, trace = run_traced(model, inputs.to(weight.device, weight.dtype))
    if logits.shape != (*inputs.shape[:2], output_size):
        raise ValueError(f"expected {output_size} outputs for this task, got {logits.shape[-1]}")
    if not bool(logits.isfinite().all()):
        raise ValueError("its outputs are not all finite numbers; did its training blow up?")
    has_tape = hasattr(trace, "write_weighting")
    return Run(logits.cpu(), type(trace)(*(part.cpu() for part in trace)) if has_tape else None)


def draw_lanes(
    shelf: Shelf,
    names: Sequence[str],
    episode: Episode,
    step: int,
    panels: list[tuple[str, Tensor]],
    seen: str,
    words: list[str],
    score: Callable[[Tensor, Episode], str],
    inside: Callable[[str, NTMTrace], list[str]],
    **ends: int,
) -> Drawing:
    """Run models on a single sequence; what went wrong with one is told in its place.

    Args:
        shelf: where the models are.
        names: which of them.
        episode: the sequence.
        step: which step's memory to show.
        panels: what to show above the models' outputs (T, O) and wrong bits (T,).
        seen: names these panels, for a reader who cannot see them.
        words: what to say before anything is said of a model, as HTML.
        score: says how good an answer is, from its logits (T, 1, O).
        inside: says what there is to see inside the first NTM, from its name and trace.
        ends: as in ``Drawing``, of other settings than the step.
    """
    weightings, tape = list[tuple[str, Tensor]](), None
    for name in names:
        run, label = shelf.run(name, episode.inputs), shelf.label(name)
        if isinstance(run, str):
            words.append(run)
            continue
        panels.append((f"outputs: {label}", run.logits[:, 0].sigmoid()))
        panels.append(("wrong bits", wrong_per_step(run.logits, episode)))
        words.append(f"<b>{html.escape(label)}</b>: {score(run.logits, episode)}")
        if run.trace is not None and tape is None:
            weightings, tape = tape_at(run.trace, step)
            words += inside(html.escape(label), run.trace)
        elif len(names) == 1:
            words.append("There is no memory to walk through: for that, choose an NTM.")
    figure = plots.timeline(panels + weightings, step=step, tape=tape)
    ends["step"] = len(episode.inputs) - 1
    return Drawing(figure, plain_text(seen, words), paragraphs(words), ends)


def wrong_per_step(logits: Tensor, episode: Episode) -> Tensor:
    """Count the wrong bits of each step (T,) of a single sequence, from its logits (T, 1, O)."""
    return wrong(logits, episode)[:, 0].sum(-1)


def tape_at(trace: NTMTrace, step: int) -> tuple[list[tuple[str, Tensor]], plots.Tape]:
    """Return the panels (T, locations) of where the heads were, and the memory at a step.

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


def focus_of(trace: NTMTrace, step: int) -> str:
    """Say where each head stands."""
    parts = []
    for kind, heads in (("write", trace.write_weighting), ("read", trace.read_weighting)):
        tops = [head.max(-1) for head in heads[step, 0]]
        places = ", ".join(f"weight {weight:.2f} on location {place}" for weight, place in tops)
        parts.append(f"{kind} head{'s' * (len(tops) > 1)}: {places}")
    return "; ".join(parts)
