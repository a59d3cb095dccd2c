"""Families of models: one protocol, one registry.

A family is one row here and, but for the Neural Turing Machine itself, one file in this folder.
Nothing outside this registry knows a family by its name.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ntm_tutorial.models.dnc import DNC
from ntm_tutorial.models.fast_weights import FastWeights
from ntm_tutorial.models.lstm import LSTMBaseline
from ntm_tutorial.models.transformer import Transformer
from ntm_tutorial.ntm import NTM, NTMState
from ntm_tutorial.sequence import SequenceModel

__all__ = ["FAMILIES", "FIRST", "Family", "SequenceModel", "family", "run_traced"]


@dataclass(frozen=True)
class Family:
    """How one kind of model is built and shown.

    Attributes:
        name: its key in ``FAMILIES``, as in ``recipe("copy", name)``.
        label: its name in figures and tables.
        kind: the class.
        fixed: keyword arguments of the class that make the family.
        colour: its colour in every figure.
        marker: its marker, as in matplotlib.
        dash: its line style, as in matplotlib.
        compiles: whether ``speed/`` has its steps fused and compiled.
        start: names those tensors of a first state that were learned, or that differ from model
            to model, for the pages, whose playground runs the model from them; None where it
            cannot.
        baseline: whether it is what the others are compared with.
        beyond: whether it is younger than the paper.
    """

    name: str
    label: str
    kind: Callable[..., nn.Module]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    colour: str = "#000000"
    marker: str = "o"
    dash: Any = "-"
    compiles: bool = False
    start: Callable[[Any], dict[str, Tensor]] | None = None
    baseline: bool = False
    beyond: bool = False

    def build(self, input_size: int, output_size: int, **network: Any) -> nn.Module:
        """Build a model of this family; ``network`` holds the settings that ``sizes`` lists."""
        return self.kind(input_size, output_size, **self.fixed, **network)

    @property
    def sizes(self) -> list[str]:
        """The network's settings that a recipe or a sweep may choose."""
        parameters = inspect.signature(self.kind).parameters.values()
        names = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
        return [name for name in names if name not in self.fixed]


def _ntm_start(state: NTMState) -> dict[str, Tensor]:
    start = {"memory": state.memory, "weighting": state.weighting, "reads": state.reads}
    return start | _layers(state.controller)


def _layers(layers: Iterable[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Name the hidden and the cell state of each layer of an LSTM."""
    return {
        f"{part}.{number}": value
        for number, layer in enumerate(layers)
        for part, value in zip(("hidden", "cell"), layer, strict=True)
    }


_REPAIRS = ("masked", "deallocate", "sharp")
_OF_NTMS: dict[str, Any] = {"compiles": True, "start": _ntm_start}
_OF_DNCS: dict[str, Any] = {"beyond": True, "start": lambda state: _layers(state.controller)}

FAMILIES: dict[str, Family] = {
    row.name: row
    for row in (
        Family("ntm-feedforward", "NTM, feed-forward controller", NTM,
               {"controller": "feedforward"}, "#0072b2", "o", **_OF_NTMS),
        Family("ntm-lstm", "NTM, LSTM controller", NTM, {"controller": "lstm"}, "#d55e00", "s",
               **_OF_NTMS),
        Family("lstm", "LSTM", LSTMBaseline, {}, "#5b5f66", "^", (0, (4, 1.5)),
               start=lambda state: _layers(zip(*state, strict=True)), baseline=True),
        Family("dnc", "DNC", DNC, dict.fromkeys(_REPAIRS, False), "#332288", ">",
               (0, (3, 1, 1, 1)), **_OF_DNCS),
        Family("dnc-repaired", "DNC, repaired", DNC, dict.fromkeys(_REPAIRS, True), "#6a51c7", "d",
               **_OF_DNCS),
        Family("transformer-none", "Transformer, no positions", Transformer, {"positions": "none"},
               "#666633", "h", (0, (2, 1)), beyond=True),
        Family("transformer-rope", "Transformer, RoPE", Transformer, {"positions": "rope"},
               "#a6761d", "X", (0, (5, 1, 1, 1)), beyond=True, start=lambda _: {}),
        Family("transformer-coupled", "Transformer, coupled positions", Transformer,
               {"positions": "coupled"}, "#882255", "<", beyond=True, start=lambda _: {}),
        Family("linear-attention", "Linear attention", FastWeights, {"rule": "add"}, "#cc79a7",
               "v", (0, (1, 1)), beyond=True),
        Family("delta", "Delta rule", FastWeights, {"rule": "delta"}, "#009e73", "D", beyond=True),
        Family("gated-delta", "Gated delta rule", FastWeights, {"rule": "gated-delta"}, "#56b4e9",
               "P", (0, (5, 1)), beyond=True),
    )
}  # fmt: skip
"""Every family by name, in the order of tables and figures."""

FIRST = "ntm-lstm"
"""The family that explorers and pages show first."""


def family(name: str) -> Family:
    """Look up a family.

    Raises:
        ValueError: if there is none of this name.
    """
    if name not in FAMILIES:
        raise ValueError(f"model_name: expected one of {list(FAMILIES)}, got {name!r}")
    return FAMILIES[name]


def run_traced(model: nn.Module, inputs: Tensor) -> tuple[Tensor, Any]:
    """Run a model; return its logits (T, B, O) and its trace, None where it leaves none."""
    trace: Any = getattr(model, "trace", None)
    if trace is not None:
        return trace(inputs)
    logits, _ = model(inputs)
    return logits, None
