"""Families of models: one protocol, one registry.

A family is one row here and, but for the Neural Turing Machine itself, one file in this folder.
Nothing outside this registry knows a family by its name.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from ntm_tutorial.models.lstm import LSTMBaseline
from ntm_tutorial.ntm import NTM

__all__ = ["FAMILIES", "Family", "LSTMBaseline", "SequenceModel", "family"]


@runtime_checkable
class SequenceModel(Protocol):
    """What every family can do: run like ``torch.nn.LSTM``, from a first state of its own.

    Where a model has ``trace(inputs)``, its inside can be drawn.
    """

    settings: dict[str, Any]
    input_size: int
    output_size: int

    def __call__(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Map inputs (T, B, I) to logits (T, B, O) and the state after the last step."""
        ...

    def initial_state(self, batch_size: int) -> Any:
        """Return the learned start."""
        ...


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
    """

    name: str
    label: str
    kind: Callable[..., nn.Module]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    colour: str = "#000000"
    marker: str = "o"
    dash: Any = "-"

    def build(self, input_size: int, output_size: int, **network: Any) -> nn.Module:
        """Build a model of this family; ``network`` holds the settings that ``sizes`` lists."""
        return self.kind(input_size, output_size, **self.fixed, **network)

    @property
    def sizes(self) -> list[str]:
        """The network's settings that a recipe or a sweep may choose."""
        parameters = inspect.signature(self.kind).parameters.values()
        names = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
        return [name for name in names if name not in self.fixed]


FAMILIES: dict[str, Family] = {
    row.name: row
    for row in (
        Family("ntm-feedforward", "NTM, feed-forward controller", NTM,
               {"controller": "feedforward"}, "#0072b2", "o"),
        Family("ntm-lstm", "NTM, LSTM controller", NTM, {"controller": "lstm"}, "#d55e00", "s"),
        Family("lstm", "LSTM", LSTMBaseline, {}, "#5b5f66", "^", (0, (4, 1.5))),
    )
}  # fmt: skip
"""Every family by name, in the order of tables and figures."""


def family(name: str) -> Family:
    """Look up a family.

    Raises:
        ValueError: if there is none of this name.
    """
    if name not in FAMILIES:
        raise ValueError(f"model_name: expected one of {list(FAMILIES)}, got {name!r}")
    return FAMILIES[name]
