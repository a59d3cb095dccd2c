"""Controllers: the network that sees the input and the last reads, and drives the heads.

Both take ``(inputs (B, I), state)`` to ``(output (B, C), state)``, so that the NTM need not know
which it has. Section 3.4 of the paper compares them: an LSTM has memory of its own, like registers
in a processor; a feed-forward network has none, so that all it remembers is there to be seen in
the memory matrix.
"""

import itertools
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

INPUT_GAIN = 4.0
"""A controller's input weights start this many times larger than PyTorch's default."""

ControllerState = tuple[tuple[Tensor, Tensor], ...]
"""One pair (hidden, cell) per LSTM layer; empty for a feed-forward controller."""


class _Layers(nn.Module):
    """What both have: layers, whose weights for the input start larger."""

    layers: nn.ModuleList
    into: str  # what a layer calls those weights

    def reset_parameters(self) -> None:
        """Draw PyTorch's start, with weights for the input four times as large."""
        layer: Any
        for layer in self.layers:
            layer.reset_parameters()
            getattr(layer, self.into).data.mul_(INPUT_GAIN)

    def scale_input(self, channel: int | slice, gain: float) -> None:
        """Start the weights of an input channel, or of several, so many times larger."""
        getattr(self.layers[0], self.into).data[:, channel] *= gain


class FeedforwardController(_Layers):
    """Layers of tanh units, with no state.

    Args:
        input_size: width of the external input and all reads together.
        size: units per layer.
        layers: number of layers.
    """

    into = "weight"

    def __init__(self, input_size: int, size: int, layers: int = 1) -> None:
        super().__init__()
        sizes = [input_size] + [size] * layers
        self.layers = nn.ModuleList(itertools.starmap(nn.Linear, itertools.pairwise(sizes)))

    def initial_state(self, batch_size: int) -> ControllerState:
        """Return the state, an empty tuple (): this controller remembers nothing."""
        return ()

    def forward(
        self, inputs: Float[Tensor, "B I"], state: ControllerState
    ) -> tuple[Float[Tensor, "B C"], ControllerState]:
        """Compute one step; the state is empty, ()."""
        for layer in self.layers:
            inputs = torch.tanh(layer(inputs))
        return inputs, state


class LSTMController(_Layers):
    """Stacked LSTM cells whose first state is learned; built like ``FeedforwardController``."""

    into = "weight_ih"

    def __init__(self, input_size: int, size: int, layers: int = 1) -> None:
        super().__init__()
        sizes = [input_size] + [size] * layers
        self.layers = nn.ModuleList(itertools.starmap(nn.LSTMCell, itertools.pairwise(sizes)))
        self.initial_hidden = nn.Parameter(torch.zeros(layers, size))
        self.initial_cell = nn.Parameter(torch.zeros(layers, size))

    def initial_state(self, batch_size: int) -> ControllerState:
        """Return the learned first state, one copy per sequence: a pair of (B, C) per layer."""
        return tuple(
            (hidden.expand(batch_size, -1), cell.expand(batch_size, -1))
            for hidden, cell in zip(self.initial_hidden, self.initial_cell, strict=True)
        )

    def forward(
        self, inputs: Float[Tensor, "B I"], state: ControllerState
    ) -> tuple[Float[Tensor, "B C"], ControllerState]:
        """Compute one step; the state of a layer is a pair of tensors (B, C)."""
        new_state = []
        for layer, previous in zip(self.layers, state, strict=True):
            inputs, cell = layer(inputs, previous)
            new_state.append((inputs, cell))
        return inputs, tuple(new_state)


CONTROLLERS: dict[str, type[FeedforwardController] | type[LSTMController]] = {
    "feedforward": FeedforwardController,
    "lstm": LSTMController,
}
