"""Both controllers against loops, and the state of the one that has some."""

import math

import numpy as np
import torch

from ntm_tutorial.controllers import (
    CONTROLLERS,
    INPUT_GAIN,
    FeedforwardController,
    LSTMController,
)
from tests.each import each
from tests.loops import Array

B, I, C = 3, 4, 5  # noqa: E741


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def draw(steps: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(steps, B, I, generator=generator, dtype=torch.float64)


@each("layers", [1, 2, 3])
@torch.no_grad()
def test_feedforward(layers: int) -> None:
    torch.manual_seed(0)
    controller = FeedforwardController(I, C, layers).double()
    weights = {name: value.numpy() for name, value in controller.named_parameters()}
    for inputs in draw(2):
        hidden, state = controller(inputs, controller.initial_state(B))
        assert state == ()
        for b in range(B):
            x = inputs[b].numpy()
            for k in range(layers):
                x = np.tanh(weights[f"layers.{k}.weight"] @ x + weights[f"layers.{k}.bias"])
            np.testing.assert_allclose(hidden[b], x, atol=1e-10)


@each("layers", [1, 2, 3])
@torch.no_grad()
def test_lstm(layers: int) -> None:
    torch.manual_seed(0)
    controller = LSTMController(I, C, layers).double()
    torch.nn.init.normal_(controller.initial_hidden)
    torch.nn.init.normal_(controller.initial_cell)
    weights = {name: value.numpy() for name, value in controller.named_parameters()}
    state = controller.initial_state(B)
    hidden = np.tile(weights["initial_hidden"], (B, 1, 1))
    cell = np.tile(weights["initial_cell"], (B, 1, 1))
    for inputs in draw(4):
        output, state = controller(inputs, state)
        for b in range(B):
            x = inputs[b].numpy()
            for k in range(layers):
                w = {
                    name: weights[f"layers.{k}.{name}"]
                    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                }
                sums = (
                    w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ hidden[b, k] + w["bias_hh"]
                )
                into, forget, new, out = np.split(sums, 4)
                cell[b, k] = sigmoid(forget) * cell[b, k] + sigmoid(into) * np.tanh(new)
                hidden[b, k] = x = sigmoid(out) * np.tanh(cell[b, k])
            np.testing.assert_allclose(output[b], x, atol=1e-10)
        for k in range(layers):
            np.testing.assert_allclose(state[k][0], hidden[:, k], atol=1e-10)
            np.testing.assert_allclose(state[k][1], cell[:, k], atol=1e-10)


@each("name", CONTROLLERS)
def test_they_start_with_larger_input_weights(name: str) -> None:
    """So that sparse bits are heard: four times PyTorch's, which are uniform to a bound."""
    torch.manual_seed(0)
    controller = CONTROLLERS[name](100, 50, 1)
    controller.reset_parameters()
    bound = 1 / math.sqrt(100 if name == "feedforward" else 50)
    weight = next(value for key, value in controller.named_parameters() if "weight" in key)
    assert 0.9 * INPUT_GAIN * bound < weight.abs().max().item() <= INPUT_GAIN * bound
