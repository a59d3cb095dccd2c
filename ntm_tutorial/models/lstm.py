"""The baseline of the paper: a stacked LSTM, with no memory but its hidden state."""

from typing import Any

import torch
from torch import Tensor, nn

from ntm_tutorial.checks import check_number, check_positive, whole
from ntm_tutorial.sequence import SequenceModel

LSTMState = tuple[Tensor, Tensor]
"""Hidden and cell state, each (layers, B, hidden), as ``torch.nn.LSTM`` has them."""


class LSTMBaseline(SequenceModel):
    """Stacked ``torch.nn.LSTM`` layers with skip connections and a learned first state.

    The paper's parameter counts, and Graves (2013), say how its LSTM was wired: every layer sees
    the input beside the layer below, and the output sees all layers. Ours is wired so too. Beside
    its weights a unit of the paper's has 6 numbers, ours 10: 8 biases and its first two values.

    Args:
        input_size: channels of the input, ``I``.
        output_size: channels of the output, ``O``.
        hidden_size: units per layer.
        layers: number of layers.
        forget_bias: how much larger than PyTorch's the biases of the forget gates start: with a
            large one a cell keeps from the start what it holds.

    Raises:
        ValueError: if a size is not a positive whole number, or the bias is no number.
    """

    def __init__(
        self, input_size: int, output_size: int, *, hidden_size: int = 256, layers: int = 3,
        forget_bias: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = check_positive(
            input_size=input_size, output_size=output_size, hidden_size=hidden_size, layers=layers
        )
        self.input_size, self.output_size, hidden_size, layers = sizes.values()
        forget_bias = check_number("forget_bias", forget_bias)
        self.settings = {**sizes, "forget_bias": forget_bias}
        seen = [self.input_size] + [self.input_size + hidden_size] * (layers - 1)
        self.layers = nn.ModuleList(nn.LSTM(size, hidden_size) for size in seen)
        layer: Any
        for layer in self.layers:
            layer.bias_ih_l0.data[hidden_size : 2 * hidden_size] += forget_bias
        self.output = nn.Linear(layers * hidden_size, self.output_size)
        self.initial_hidden = nn.Parameter(torch.zeros(layers, 1, hidden_size))
        self.initial_cell = nn.Parameter(torch.zeros(layers, 1, hidden_size))

    def scale_input(self, channel: int | slice, gain: float) -> None:
        """Start the weights of an input channel, or of several, so many times larger."""
        layer: Any
        for layer in self.layers:
            layer.weight_ih_l0.data[:, : self.input_size][:, channel] *= gain

    def initial_state(self, batch_size: int) -> LSTMState:
        """Return the learned first state, one copy per sequence: each (layers, B, hidden).

        Raises:
            ValueError: if the batch size is not positive.
        """
        size = whole("batch_size", batch_size)
        return (
            self.initial_hidden.expand(-1, size, -1).contiguous(),
            self.initial_cell.expand(-1, size, -1).contiguous(),
        )

    def _shapes(self, batch_size: int, given: Any) -> tuple[torch.Size, torch.Size]:
        layers, _, hidden_size = self.initial_hidden.shape
        return (torch.Size((layers, batch_size, hidden_size)),) * 2

    def _run(self, inputs: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        hiddens: list[Tensor] = []
        ends = []
        starts = zip(*(part.split(1) for part in state), strict=True)
        for layer, start in zip(self.layers, starts, strict=True):
            hidden, end = layer(torch.cat([inputs, *hiddens[-1:]], dim=-1), start)
            hiddens.append(hidden)
            ends.append(end)
        hidden_end, cell_end = (torch.cat(part) for part in zip(*ends, strict=True))
        return self.output(torch.cat(hiddens, dim=-1)), (hidden_end, cell_end)
