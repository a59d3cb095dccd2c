"""The baseline of the paper: a stacked LSTM, with no memory but its hidden state."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ntm_tutorial.checks import check_inputs, check_positive

LSTMState = tuple[Tensor, Tensor]
"""Hidden and cell state, each (layers, B, hidden), as ``torch.nn.LSTM`` has them."""


class LSTMBaseline(nn.Module):
    """``torch.nn.LSTM`` with a learned first state and a linear output layer.

    The paper's LSTM also has peepholes and feeds the input to every layer; ours is PyTorch's.

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
        self.settings = {
            "input_size": input_size,
            "output_size": output_size,
            "hidden_size": hidden_size,
            "layers": layers,
        }
        check_positive(**self.settings)
        self.input_size, self.output_size = input_size, output_size
        self.lstm = nn.LSTM(input_size, hidden_size, layers)
        self.output = nn.Linear(hidden_size, output_size)
        self.initial_hidden = nn.Parameter(torch.zeros(layers, 1, hidden_size))
        self.initial_cell = nn.Parameter(torch.zeros(layers, 1, hidden_size))

    def initial_state(self, batch_size: int) -> LSTMState:
        """Return the learned first state, one copy per sequence: each (layers, B, hidden).

        Raises:
            ValueError: if the batch size is not positive.
        """
        check_positive(batch_size=batch_size)
        return (
            self.initial_hidden.expand(-1, batch_size, -1).contiguous(),
            self.initial_cell.expand(-1, batch_size, -1).contiguous(),
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
        check_inputs("inputs", inputs, ("T", "B", self.input_size))
        if state is None:
            state = self.initial_state(inputs.shape[1])
        expected = (self.lstm.num_layers, inputs.shape[1], self.lstm.hidden_size)
        for tensor in state:
            if tensor.shape != expected:
                raise ValueError(
                    f"state: expected tensors of shape {expected} for this model and batch, "
                    f"got {tuple(tensor.shape)}"
                )
        hidden, state = self.lstm(inputs, state)
        return self.output(hidden), state

    def step(
        self, x: Float[Tensor, "B I"], state: LSTMState
    ) -> tuple[Float[Tensor, "B O"], LSTMState]:
        """Run one step. The state is a pair of tensors (layers, B, hidden).

        Raises:
            ValueError: if the input does not have ``input_size`` channels, or the state is that of
                another model or batch.
        """
        check_inputs("x", x, ("B", self.input_size))
        logits, state = self(x.unsqueeze(0), state)
        return logits.squeeze(0), state
