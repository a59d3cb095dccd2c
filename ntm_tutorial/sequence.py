"""What every family of models can do: run like ``torch.nn.LSTM``, from a first state of its own."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from ntm_tutorial.checks import check_inputs, check_state, whole


class SequenceModel(nn.Module):
    """Takes a sequence, or one step, and a state; returns logits and the next state.

    Call it like ``torch.nn.LSTM``: ``logits, state = model(inputs)``, time first. Where a model has
    ``trace(inputs)``, its inside can be drawn.

    Attributes:
        settings: keyword arguments that build it again.
        input_size: channels of the input, ``I``.
        output_size: channels of the output, ``O``.
        output: its last layer.
    """

    settings: dict[str, Any]
    input_size: int
    output_size: int
    output: nn.Linear

    def initial_state(self, batch_size: int) -> Any:
        """Return the first state: all zeros, unless a family has another.

        Raises:
            ValueError: if the batch size is not positive.
        """
        shapes = self._shapes(whole("batch_size", batch_size), None)
        return shapes._make(map(self.output.weight.new_zeros, shapes))

    def _shapes(self, batch_size: int, given: Any) -> Any:
        """Return a state's shapes, as ``check_state`` takes them; a given one may be larger."""
        raise NotImplementedError

    def _run(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Run a sequence that was checked, from a state that was."""
        raise NotImplementedError

    def forward(
        self, inputs: Float[Tensor, "T B I"], state: Any = None
    ) -> tuple[Float[Tensor, "T B O"], Any]:
        """Run a whole sequence, from the model's own first state unless one is given.

        Raises:
            ValueError: if the inputs do not have ``input_size`` channels, or the state is that of
                another model or batch.
        """
        return self._run(inputs, self._checked(inputs, state))

    def step(self, x: Float[Tensor, "B I"], state: Any) -> tuple[Float[Tensor, "B O"], Any]:
        """Run one step.

        Raises:
            ValueError: as ``forward`` does.
        """
        check_inputs("x", x, ("B", self.input_size), self.output.weight)
        check_state(state, self._shapes(len(x), state), self.output.weight)
        logits, state = self._run(x[None], state)
        return logits[0], state

    def _checked(self, inputs: Tensor, state: Any) -> Any:
        """Refuse inputs or a state that do not fit; return the state to start from."""
        check_inputs("inputs", inputs, ("T", "B", self.input_size), self.output.weight)
        if state is None:
            return self.initial_state(inputs.shape[1])
        check_state(state, self._shapes(inputs.shape[1], state), self.output.weight)
        return state
