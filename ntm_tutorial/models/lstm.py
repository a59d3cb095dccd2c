"""The baseline of the paper: a stacked LSTM, with no memory but its hidden state."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ntm_tutorial.checks import check_inputs, check_positive, check_state, whole

LSTMState = tuple[Tensor, Tensor]
"""Hidden and cell state, each (layers, B, hidden), as ``torch.nn.LSTM`` has them."""


class LSTMBaseline(nn.Module):
    """Stacked ``torch.nn.LSTM`` layers with skip connections and a learned first state.

    The paper's parameter counts, and Graves (2013), say how its LSTM was wired: every layer sees
    the input beside the layer below, and the output sees all layers. Ours is wired so too. Beside
    its weights a unit of the paper's has 6 numbers, ours 10: 8 biases and its first two values.

    Args:
        input_size: channels of the input, ``I``.
        output_size: channels of the output, ``O``.
        hidden_size: units per layer.
        layers: number of layers.

    Raises:
        ValueError: if a size is not a positive whole number.
    """

    def __init__(
        self, input_size: int, output_size: int, *, hidden_size: int = 256, layers: int = 3
    ) -> None:
        super().__init__()
        self.settings = check_positive(
            input_size=input_size, output_size=output_size, hidden_size=hidden_size, layers=layers
        )
        self.input_size, self.output_size, hidden_size, layers = self.settings.values()
        sizes = [self.input_size] + [self.input_size + hidden_size] * (layers - 1)
        self.layers = nn.ModuleList(nn.LSTM(size, hidden_size) for size in sizes)
        self.output = nn.Linear(layers * hidden_size, self.output_size)
        self.initial_hidden = nn.Parameter(torch.zeros(layers, 1, hidden_size))
        self.initial_cell = nn.Parameter(torch.zeros(layers, 1, hidden_size))

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

    def forward(
        self, inputs: Float[Tensor, "T B I"], state: LSTMState | None = None
    ) -> tuple[Float[Tensor, "T B O"], LSTMState]:
        """Run a whole sequence, from the learned start unless a state is given.

        A state is a pair, hidden and cell, each of shape (layers, B, hidden).

        Raises:
            ValueError: if the inputs do not have ``input_size`` channels, or the state is that of
                another model or batch.
        """
        check_inputs("inputs", inputs, ("T", "B", self.input_size), self.output.weight)
        if state is None:
            state = self.initial_state(inputs.shape[1])
        layers, _, hidden_size = self.initial_hidden.shape
        size = torch.Size((layers, inputs.shape[1], hidden_size))
        check_state(state, (size, size), self.output.weight)
        hiddens: list[Tensor] = []
        ends = []
        starts = zip(*(part.split(1) for part in state), strict=True)
        for layer, start in zip(self.layers, starts, strict=True):
            hidden, end = layer(torch.cat([inputs, *hiddens[-1:]], dim=-1), start)
            hiddens.append(hidden)
            ends.append(end)
        hidden_end, cell_end = (torch.cat(part) for part in zip(*ends, strict=True))
        return self.output(torch.cat(hiddens, dim=-1)), (hidden_end, cell_end)

    def step(
        self, x: Float[Tensor, "B I"], state: LSTMState
    ) -> tuple[Float[Tensor, "B O"], LSTMState]:
        """Run one step. The state is a pair of tensors (layers, B, hidden).

        Raises:
            ValueError: if the input does not have ``input_size`` channels, or the state is that of
                another model or batch.
        """
        check_inputs("x", x, ("B", self.input_size), self.output.weight)
        logits, state = self(x.unsqueeze(0), state)
        return logits.squeeze(0), state
