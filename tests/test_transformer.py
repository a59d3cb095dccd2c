"""The Transformer against slow loops, and what its position codes promise."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ntm_tutorial.models.transformer import POSITIONS, Transformer
from tests.each import each
from tests.loops import Array

T, B, I, O = 9, 3, 4, 2  # noqa: E741
DELIMITER = 3


def made(positions: str, **network: Any) -> Transformer:
    torch.manual_seed(0)
    restart = {"restart": [DELIMITER]} if positions == "coupled" else {}
    small: dict[str, Any] = {"width": 8, "heads": 2, "layers": 2, "window": 3, "base": 100.0}
    model = Transformer(I, O, positions=positions, **restart, **small | network).double()
    for name, weight in model.named_parameters():
        if "sink" in name:
            torch.nn.init.normal_(weight)
    return model


@pytest.fixture
def inputs() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    found = torch.rand(T, B, I, generator=generator, dtype=torch.float64)
    found[..., DELIMITER] = torch.rand(T, B, generator=generator) < 0.3
    return found


def norm(x: Array) -> Array:
    return (x - x.mean()) / math.sqrt(x.var() + 1e-5)  # the weights start at 1 and 0


def turned(vector: Array, position: float) -> Array:
    """Turn each pair of components, the first half's with the second's."""
    pairs, result = len(vector) // 2, vector.copy()
    for i in range(pairs):
        angle = position * 100 ** (-i / pairs)
        a, b = vector[i], vector[pairs + i]
        result[i] = a * math.cos(angle) - b * math.sin(angle)
        result[pairs + i] = a * math.sin(angle) + b * math.cos(angle)
    return result


def bias(positions: str, head: int, distance: int) -> float:
    if positions == "alibi":
        return -distance * 2.0 ** (-8 * (head + 1) / 2)
    if positions == "half-windowed" and head == 0 and distance >= 3:
        return -math.inf
    return 0.0


def counted(positions: str, delimiters: Array) -> list[int]:
    found, position = [], 0
    for delimiter in delimiters:
        position = 0 if positions == "coupled" and delimiter > 0.5 else position + 1
        found.append(position)
    return found


def by_loops(model: Transformer, inputs: Array, positions: str) -> Array:
    """Run one sequence (T, I), element by element."""
    w = {name: weight.detach().numpy() for name, weight in model.named_parameters()}
    steps, heads, window = len(inputs), model.settings["heads"], model.settings["convolution"]
    size = model.settings["width"] // heads
    place = counted(positions, inputs[:, DELIMITER])
    stream = [w["embed.weight"] @ x + w["embed.bias"] for x in inputs]
    for k in range(model.settings["layers"]):
        b = f"blocks.{k}."
        mixed = [w[b + "project.weight"] @ norm(x) + w[b + "project.bias"] for x in stream]
        if window > 1:
            filters = w[b + "convolution.weight"][:, 0]  # the last tap is for the step itself
            before = [np.zeros_like(mixed[0])] * (window - 1) + mixed
            mixed = [
                sum((filters[:, j] * before[t + j] for j in range(window)), np.zeros_like(mixed[0]))
                + w[b + "convolution.bias"]
                for t in range(steps)
            ]
        after = []
        for t in range(steps):
            reads = []
            for h in range(heads):
                part = slice(h * size, (h + 1) * size)
                rows = [np.split(mixed[s], 3) for s in range(t + 1)]
                query = rows[t][0][part]
                logits = []
                for s in range(t + 1):
                    key, asked = rows[s][1][part], query
                    if positions in ("rope", "coupled"):
                        key, asked = turned(key, place[s]), turned(query, place[t])
                    logits.append(asked @ key / math.sqrt(size) + bias(positions, h, t - s))
                values = [row[2][part] for row in rows]
                if model.settings["sink"]:
                    logits.append(w[b + "sink_logit"][h])
                    values.append(w[b + "sink_value"][h])
                powers = [math.exp(logit) for logit in logits]
                weighting = [power / sum(powers) for power in powers]
                reads.append(sum(a * v for a, v in zip(weighting, values, strict=True)))
            merged = w[b + "merge.weight"] @ np.concatenate(reads) + w[b + "merge.bias"]
            middle = stream[t] + merged
            hidden = w[b + "perceptron.1.weight"] @ norm(middle) + w[b + "perceptron.1.bias"]
            hidden = np.array([x * (1 + math.erf(x / math.sqrt(2))) / 2 for x in hidden])
            out = w[b + "perceptron.3.weight"] @ hidden + w[b + "perceptron.3.bias"]
            after.append(middle + out)
        stream = after
    return np.stack([w["output.weight"] @ norm(x) + w["output.bias"] for x in stream])


@each("positions, network", product(POSITIONS, ({}, {"convolution": 3, "sink": True})))
def test_against_loops(positions: str, network: dict[str, Any], inputs: Tensor) -> None:
    model = made(positions, **network)
    expected = np.stack([by_loops(model, inputs[:, b].numpy(), positions) for b in range(B)], 1)
    with torch.no_grad():
        logits, _ = model(inputs)
    torch.testing.assert_close(logits, torch.from_numpy(expected), rtol=0, atol=1e-10)


@each("positions, network", product(POSITIONS, ({}, {"convolution": 3, "sink": True})))
def test_the_cache_is_the_state(positions: str, network: dict[str, Any], inputs: Tensor) -> None:
    """A whole sequence, in pieces, and step by step: the same, and a row more with every step."""
    model = made(positions, **network)
    whole, end = model(inputs)
    first, state = model(inputs[:4])
    assert state.keys.shape[3] == 4
    second, state = model(inputs[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    torch.testing.assert_close(state, end)
    state = model.initial_state(B)
    for t in range(T):
        logits, state = model.step(inputs[t], state)
        torch.testing.assert_close(logits, whole[t])
    torch.testing.assert_close(state, end)


@each("positions", POSITIONS)
def test_the_trace_shows_the_same_run(positions: str, inputs: Tensor) -> None:
    model = made(positions, sink=True)
    logits, trace = model.trace(inputs)
    assert logits.equal(model(inputs)[0])
    total = trace.weighting.sum(-1) + trace.sink
    torch.testing.assert_close(total, torch.ones_like(total))
    later = torch.ones(T, T).triu(1).bool()
    assert not trace.weighting.permute(1, 2, 3, 0, 4)[..., later].any()


def test_every_parameter_learns(inputs: Tensor) -> None:
    model = made("coupled", convolution=3, sink=True)
    model(inputs)[0].square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


class TestPositions:
    def test_without_a_code_the_order_of_the_past_is_unknown(self, inputs: Tensor) -> None:
        model = made("none", layers=1)
        swapped = inputs[[1, 0, *range(2, T)]]
        torch.testing.assert_close(model(inputs)[0][2:], model(swapped)[0][2:])

    @each("positions", ["rope", "alibi"])
    def test_only_distances_count(self, positions: str, inputs: Tensor) -> None:
        model = made(positions, layers=1)
        state = model.initial_state(B)
        moved = state._replace(position=state.position + 50)
        torch.testing.assert_close(model(inputs, moved)[0], model(inputs)[0])

    def test_the_count_restarts_at_a_delimiter(self) -> None:
        model = made("coupled")
        inputs = torch.zeros(7, 1, I, dtype=torch.float64)
        inputs[3, :, DELIMITER] = 1
        _, trace = model.trace(inputs)
        assert trace.position[:, 0].tolist() == [1, 2, 3, 0, 1, 2, 3]

    def test_a_window_hides_what_lies_before_it(self, inputs: Tensor) -> None:
        _, trace = made("half-windowed").trace(inputs)
        seen = trace.weighting[-1] > 0  # at the last step: B, layers, heads, rows
        assert not seen[:, :, 0, : T - 3].any() and seen[:, :, 0, T - 3 :].all()
        assert seen[:, :, 1].all()


@pytest.mark.bad_input
class TestBadInput:
    @each(
        "settings, message",
        [
            ({"layers": 0}, "^layers: .* from 1 to 1000, got 0$"),
            ({"heads": 3}, "^heads: expected pairs to divide 64, got 3$"),
            ({"heads": 64}, "^heads: expected pairs to divide 64, got 64$"),
            ({"base": 0}, "^base: expected a number of at least 1, got 0$"),
            ({"positions": "sine"}, "^positions: expected one of .*, got 'sine'$"),
            ({"restart": [1]}, r"^restart: .*, got \[1\] with 'rope'$"),
            ({"positions": "coupled", "restart": [9]}, "^restart: .* from 0 to 8, got 9$"),
            ({"positions": "half-windowed", "heads": 1}, "^heads: .* even .*, got 1$"),
        ],
    )
    def test_settings(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Transformer(9, 8, **settings)

    def test_inputs_and_states(self, inputs: Tensor) -> None:
        model = made("rope", convolution=3)
        with pytest.raises(ValueError, match=r"^inputs: expected shape \(T, B, 4\), got"):
            model(inputs[..., :3])
        with pytest.raises(ValueError, match=r"^x: expected shape \(B, 4\), got"):
            model.step(inputs, model.initial_state(B))
        _, state = model(inputs)
        with pytest.raises(ValueError, match=r"^state: expected as its keys .*\(2, 2, 2, 9, 4\)"):
            model(inputs[:, :2], state)
        with pytest.raises(ValueError, match=r"^state: expected as its values"):
            model(inputs, state._replace(values=state.values[:, :, :, 1:]))
        with pytest.raises(ValueError, match=r"^state: expected a TransformerState of 4"):
            model(inputs, (inputs, inputs))
