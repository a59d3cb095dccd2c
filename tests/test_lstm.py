"""The baseline: `torch.nn.LSTM` layers, wired as the paper's, with a learned start."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ntm_tutorial.models.lstm import LSTMBaseline
from tests.each import each
from tests.loops import Array

T, B, I, O = 6, 3, 4, 2  # noqa: E741


@pytest.fixture
def model() -> LSTMBaseline:
    torch.manual_seed(0)
    model = LSTMBaseline(I, O, hidden_size=5, layers=2).double()
    torch.nn.init.normal_(model.initial_hidden)
    torch.nn.init.normal_(model.initial_cell)
    return model


@pytest.fixture
def inputs() -> Tensor:
    return torch.rand(T, B, I, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


@torch.no_grad()
def test_against_loops(model: LSTMBaseline, inputs: Tensor) -> None:
    layers = [
        {name: value.numpy() for name, value in layer.named_parameters()} for layer in model.layers
    ]
    hidden, cell = (part.numpy().copy() for part in model.initial_state(B))
    expected = torch.zeros(T, B, O, dtype=torch.float64)
    for t, b in np.ndindex(T, B):
        x = inputs[t, b].numpy()
        for k, weights in enumerate(layers):
            seen = np.concatenate([x, hidden[k - 1, b]]) if k else x  # the input reaches all layers
            sums = weights["weight_ih_l0"] @ seen + weights["bias_ih_l0"]
            sums = sums + weights["weight_hh_l0"] @ hidden[k, b] + weights["bias_hh_l0"]
            into, forget, new, out = np.split(sums, 4)
            cell[k, b] = sigmoid(forget) * cell[k, b] + sigmoid(into) * np.tanh(new)
            hidden[k, b] = sigmoid(out) * np.tanh(cell[k, b])
        expected[t, b] = model.output(torch.from_numpy(hidden[:, b].flatten()))
    logits, _ = model(inputs)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-10)


def test_defaults_are_those_of_the_paper() -> None:
    settings = LSTMBaseline(9, 8).settings
    assert settings == {
        "input_size": 9,
        "output_size": 8,
        "hidden_size": 256,
        "layers": 3,
        "forget_bias": 0.0,
    }


def test_the_wiring_is_that_of_the_papers_count() -> None:
    """4H(3I + 5H) + 18H + O(3H + 1) is the paper's 1,352,969 for copy, with 10 inputs, 9 outputs.

    A unit of ours has 10 numbers beside its weights, 8 biases and 2 first values, where the paper's
    has 6; the weight matrices are the same.
    """
    model = LSTMBaseline(10, 9)
    i, o, h = 10, 9, 256
    matrices = 4 * h * (3 * i + 5 * h) + o * 3 * h
    assert matrices + 18 * h + o == 1_352_969
    assert sum(p.numel() for name, p in model.named_parameters() if "weight" in name) == matrices
    assert sum(p.numel() for p in model.parameters()) == matrices + 30 * h + o


def test_forget_gates_start_as_far_open_as_asked() -> None:
    def start(**more: float) -> dict[str, Tensor]:
        torch.manual_seed(0)
        return LSTMBaseline(I, O, hidden_size=5, layers=2, **more).state_dict()

    plain, opened = start(), start(forget_bias=2.0)
    for name, value in plain.items():
        change = torch.zeros_like(value)
        if name.endswith("bias_ih_l0"):
            change[5:10] = 2.0
        torch.testing.assert_close(opened[name], value + change)


@torch.no_grad()
def test_a_louder_input_is_louder_in_every_layer(model: LSTMBaseline, inputs: Tensor) -> None:
    expected, _ = model(inputs * torch.tensor([1, 3, 3, 1]))
    model.scale_input(slice(1, 3), 3.0)
    torch.testing.assert_close(model(inputs)[0], expected)


@pytest.mark.bad_input
class TestBadInput:
    @each("name", ["input_size", "output_size", "hidden_size", "layers"])
    @each("value", [0, -1, 2.0, "3", None, True])
    def test_sizes(self, name: str, value: Any) -> None:
        allowed = "from 1 to 1000" if name == "layers" else "of at least 1"
        with pytest.raises(ValueError, match=f"^{name}: .* {allowed}, got {value!r}$"):
            LSTMBaseline(**{"input_size": 9, "output_size": 8, name: value})

    @each("shape", [(5, 2, 3), (5, 4), (0, 2, 4), (5, 0, 4)])
    def test_inputs(self, model: LSTMBaseline, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"^inputs: expected shape \(T, B, 4\), got \("):
            model(torch.zeros(shape))

    def test_x(self, model: LSTMBaseline) -> None:
        with pytest.raises(ValueError, match=r"^x: expected shape \(B, 4\), got \(2, 5\)"):
            model.step(torch.zeros(2, 5), model.initial_state(2))

    def test_a_state_for_another_batch(self, model: LSTMBaseline, inputs: Tensor) -> None:
        with pytest.raises(ValueError, match=r"^state: .*\[0\] .*\(2, 3, 5\), .*got \(2, 4, 5\)"):
            model(inputs, model.initial_state(4))
