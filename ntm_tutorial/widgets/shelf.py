"""Models to choose from, what they did with a sequence, and their memory at a step."""

import html
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ntm_tutorial import plots, pretrained
from ntm_tutorial.ntm import NTM, NTMTrace
from ntm_tutorial.recipes import MODELS
from ntm_tutorial.tasks import TASKS
from ntm_tutorial.widgets.explorer import sentence

Models = Mapping[str, nn.Module | pretrained.Pretrained] | None
"""A reader's own models, by name."""


class Run(NamedTuple):
    """What a model did with one sequence, on the CPU; only an NTM leaves a trace."""

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
            return f"{html.escape(self.label(name))}: {sentence(error)}"


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


def focus_of(tape: plots.Tape) -> str:
    """Say where the heads of a tape are."""
    places = []
    for name, weights in (("write", tape.write), ("read", tape.read)):
        weight, location = weights.max(0)
        places.append(f"{name} head: weight {weight:.2f} on location {location}")
    return "; ".join(places)
