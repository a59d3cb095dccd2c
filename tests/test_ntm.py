"""The machine: against loops, as a drop-in for `torch.nn.LSTM`, its state, trace and gradients."""

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ntm_tutorial.ntm import INITIAL_MEMORY, NTM, NTMState
from tests import loops
from tests.each import each

CONTROLLERS = ["feedforward", "lstm"]
SHAPES: list[dict[str, float]] = [
    {},
    {"read_heads": 2, "write_heads": 3, "controller_layers": 2},
    {"read_heads": 3, "write_heads": 1, "shift_range": 2},
    {"shift_range": 0},
    {"learned_memory": True},
    {"learned_memory": True, "memory_periods": 2.0},
]
T, B, I, O = 6, 3, 4, 2  # noqa: E741


def build(controller: str, dtype: torch.dtype = torch.float64, **changes: Any) -> NTM:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"controller_size": 5, "memory_locations": 8, "memory_width": 3}
    model = NTM(I, O, controller=controller, **sizes | changes).to(dtype)
    with torch.no_grad():  # so that nothing is hidden by a start at zero
        for name, parameter in model.named_parameters():
            if name.split(".")[-1].startswith("initial"):
                parameter.add_(0.5 * torch.randn_like(parameter))
    return model


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(*shape, generator=generator, dtype=dtype)


def flatten(state: Any) -> list[Tensor]:
    """List all tensors of a state."""
    return (
        [state] if isinstance(state, Tensor) else [leaf for part in state for leaf in flatten(part)]
    )


def same(one: Any, other: Any, tolerance: float = 1e-10) -> None:
    for a, b in zip(flatten(one), flatten(other), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


both_controllers = each("controller", CONTROLLERS)
all_shapes = each("shape", SHAPES)


@both_controllers
@all_shapes
@torch.no_grad()
def test_against_loops(controller: str, shape: dict[str, float]) -> None:
    """Controllers and heads are tested by themselves; all between them is done in loops here."""
    model, inputs = build(controller, **shape), draw(T, B, I)
    R = model.read_heads
    state = model.initial_state(B)
    memory, weighting, reads = (tensor.numpy() for tensor in state[:3])
    controller_state, expected = state.controller, []
    for x in inputs:
        seen = torch.cat([x, torch.from_numpy(reads).flatten(1)], dim=1)
        hidden, controller_state = model.controller(seen, controller_state)
        head = {name: value.numpy() for name, value in model.heads(hidden)._asdict().items()}
        content = loops.content_weighting(memory, head["key"], head["key_strength"])
        gated = loops.interpolate(content, weighting, head["gate"])
        shifted = loops.shift(gated, head["shift_weighting"])
        weighting = loops.sharpen(shifted, head["sharpening"])
        reads = loops.read(memory, weighting[:, :R])
        erased = loops.erase(memory, weighting[:, R:], head["erase_vector"])
        memory = loops.add(erased, weighting[:, R:], head["add_vector"])
        features = np.concatenate([hidden.numpy(), reads.reshape(B, -1)], axis=1)
        expected.append(features @ model.output.weight.numpy().T + model.output.bias.numpy())
    logits, state = model(inputs)
    same(logits, torch.from_numpy(np.stack(expected)))
    found = [torch.from_numpy(array) for array in (memory, weighting, reads)]
    same(state, [*found, controller_state])


@both_controllers
@all_shapes
def test_trace_is_what_forward_computes(controller: str, shape: dict[str, float]) -> None:
    model, inputs = build(controller, **shape), draw(T, B, I)
    logits, state = model(inputs)
    traced, trace = model.trace(inputs)
    same(traced, logits)
    same([trace.memory[-1], trace.weighting[-1], trace.reads[-1]], state[:3])
    H, W = model.read_heads + model.write_heads, model.write_heads
    assert trace.read_weighting.shape == (T, B, model.read_heads, 8)
    assert trace.write_weighting.shape == (T, B, W, 8)
    assert trace.key.shape == (T, B, H, 3)
    assert trace.add_vector.shape == (T, B, W, 3)
    same(torch.cat([trace.read_weighting, trace.write_weighting], dim=2), trace.weighting)
    for stage in (trace.content, trace.gated, trace.shifted, trace.weighting):
        same(stage.sum(-1), torch.ones_like(stage[..., 0]))


@both_controllers
def test_trace_has_the_gradients_of_forward(controller: str) -> None:
    model, inputs = build(controller, read_heads=2, write_heads=2), draw(T, B, I)
    parameters = list(model.parameters())
    fast = torch.autograd.grad(model(inputs)[0].square().sum(), parameters)
    slow = torch.autograd.grad(model.trace(inputs)[0].square().sum(), parameters)
    same(fast, slow)


@both_controllers
@all_shapes
def test_a_run_in_pieces_is_one_run(controller: str, shape: dict[str, float]) -> None:
    model, inputs = build(controller, **shape), draw(T, B, I)
    whole, end = model(inputs)
    first, state = model(inputs[:2])
    second, state = model(inputs[2:], state)
    same([torch.cat([first, second]), state], [whole, end])
    state = model.initial_state(B)
    for t in range(T):
        logits, state = model.step(inputs[t], state)
        same(logits, whole[t])
    same(state, end)


@both_controllers
def test_it_is_called_like_torch_lstm(controller: str) -> None:
    inputs = draw(T, B, I, dtype=torch.float32)
    for network in (NTM(I, 7, controller=controller), nn.LSTM(I, 7)):
        outputs, state = network(inputs)
        assert outputs.shape == (T, B, 7)
        outputs, _ = network(inputs, state)
        assert outputs.shape == (T, B, 7)


@both_controllers
def test_nothing_is_mutated(controller: str) -> None:
    model, inputs = build(controller, read_heads=2, write_heads=2), draw(T, B, I)
    _, state = model(inputs)
    watched = [inputs, state, *model.state_dict().values()]
    before = copy.deepcopy([tensor.detach() for tensor in flatten(watched)])
    attributes = {name: id(value) for name, value in vars(model).items()}
    first, _ = model(inputs, state)
    first.sum().backward()
    model.step(inputs[0], state), model.trace(inputs)
    assert all(now.equal(then) for now, then in zip(flatten(watched), before, strict=True))
    assert attributes == {name: id(value) for name, value in vars(model).items()}
    again, _ = model(inputs, state)
    assert again.equal(first)


@both_controllers
def test_every_sequence_is_alone(controller: str) -> None:
    model, inputs = build(controller), draw(T, B, I)
    logits, _ = model(inputs)
    for b in range(B):
        same(model(inputs[:, b : b + 1])[0], logits[:, b : b + 1])


@both_controllers
@each("heads", [1, 2])
def test_gradcheck_through_two_steps(controller: str, heads: int) -> None:
    model = build(controller, memory_locations=5, read_heads=heads, write_heads=heads)
    names = list(dict(model.named_parameters()))

    def run(inputs: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        values = dict(zip(names, parameters, strict=True))
        logits, state = torch.func.functional_call(model, values, inputs)
        return logits, *flatten(state)

    assert torch.autograd.gradcheck(
        run, (draw(2, 1, I).requires_grad_(), *model.parameters()), fast_mode=True
    )


@both_controllers
@all_shapes
def test_every_parameter_learns(controller: str, shape: dict[str, float]) -> None:
    model = build(controller, **shape)
    model(draw(T, B, I))[0].square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@each("dtype", [torch.float32, torch.float64])
@each("scale", [0.0, 1e3, 1e10])
@both_controllers
def test_extreme_inputs_give_finite_numbers(
    controller: str, scale: float, dtype: torch.dtype
) -> None:
    model = build(controller, dtype, memory_locations=16, read_heads=2, write_heads=2)
    with torch.no_grad():
        for parameter in model.heads.parameters():  # heads that saturate, too
            parameter.mul_(100)
    inputs = (scale * (draw(30, B, I, dtype=dtype) - 0.5)).requires_grad_()
    logits, state = model(inputs)
    logits.square().mean().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    for tensor in (logits, *flatten(state), inputs.grad, *gradients):
        assert tensor is not None
        assert tensor.isfinite().all()
    assert (state.weighting >= 0).all()
    torch.testing.assert_close(state.weighting.sum(-1), torch.ones(B, 4, dtype=dtype))


class TestInitialState:
    @both_controllers
    def test_it_has_the_promised_shapes(self, controller: str) -> None:
        model = NTM(I, O, controller=controller, controller_layers=2, read_heads=2, write_heads=3)
        state = model.initial_state(4)
        assert isinstance(state, NTMState)
        assert state.memory.shape == (4, 128, 20)
        assert state.weighting.shape == (4, 5, 128)
        assert state.reads.shape == (4, 2, 20)
        pairs = [] if controller == "feedforward" else [[(4, 100)] * 2] * 2
        assert [[tensor.shape for tensor in pair] for pair in state.controller] == pairs

    def test_the_memory_is_constant(self) -> None:
        assert (NTM(I, O).initial_state(2).memory == INITIAL_MEMORY).all()

    def test_a_learned_memory_starts_with_rows_that_differ(self) -> None:
        model = NTM(I, O, learned_memory=True)
        memory = model.initial_state(2).memory
        assert memory[0].equal(memory[1])
        assert torch.cdist(memory[0], memory[0]).fill_diagonal_(9).min() > 1
        small = model.initial_state(2, 40).memory
        assert small.equal(memory[:, :40])
        assert "initial_memory" not in NTM(I, O).state_dict()

    def test_a_smooth_memory_starts_with_neighbours_alike(self) -> None:
        def likeness(apart: int) -> float:
            return torch.cosine_similarity(rows[apart:], rows[: len(rows) - apart]).mean().item()

        torch.manual_seed(0)
        rows = NTM(I, O, learned_memory=True, memory_periods=1.5).initial_state(1).memory[0]
        assert likeness(1) > 0.99
        assert likeness(4) > 0.9
        assert likeness(64) < 0.5
        assert abs(rows.std() - 1) < 0.2

    @both_controllers
    def test_with_a_learned_memory_heads_start_as_look_ups(self, controller: str) -> None:
        """So the controller's state decides the location, and the table is not overwritten."""
        torch.manual_seed(0)
        model = NTM(I, O, controller=controller, learned_memory=True)
        _, trace = model.trace(draw(T, B, I, dtype=torch.float32))
        torch.testing.assert_close(trace.shifted, trace.content, rtol=0, atol=0.2)
        assert trace.weighting.amax(-1).min() > 3 / 128, "not spread evenly"
        assert (trace.memory[-1] - trace.memory[0]).abs().max() < 0.5

    def test_half_of_each_weighting_is_on_location_0(self) -> None:
        weighting = NTM(I, O, read_heads=2).initial_state(2).weighting
        torch.testing.assert_close(weighting[..., 0], torch.full((2, 3), 0.5), rtol=0, atol=0.01)
        torch.testing.assert_close(weighting.sum(-1), torch.ones(2, 3))

    def test_it_follows_its_parameters(self) -> None:
        model = build("lstm")
        state = model.initial_state(2)
        for part, parameter in [
            (state.weighting, model.initial_weighting_logits),
            (state.reads, model.initial_reads),
        ]:
            (gradient,) = torch.autograd.grad(part[..., 0].sum(), parameter)
            assert gradient.abs().sum() > 0


def test_defaults_are_those_of_the_paper() -> None:
    model = NTM(9, 8)
    assert model.memory_shape == (128, 20)
    assert model.heads.linear.in_features == 100
    assert (model.read_heads, model.write_heads) == (1, 1)


def test_weights_move_from_one_machine_to_another() -> None:
    one, other = build("lstm"), NTM(
        I, O, controller="lstm", controller_size=5, memory_locations=8, memory_width=3
    ).double()  # fmt: skip
    other.load_state_dict(one.state_dict())
    same(other(draw(T, B, I))[0], one(draw(T, B, I))[0], tolerance=0)
    assert NTM(**one.settings).settings == one.settings


@both_controllers
@torch.no_grad()
@each("learned", [False, True])
def test_a_smaller_memory(controller: str, learned: bool) -> None:
    """The same weights run with fewer locations, as a machine built that way would."""
    model, inputs = build(controller, learned_memory=learned), draw(T, B, I)
    small = build(controller, memory_locations=5, learned_memory=learned)
    weights = dict(model.state_dict())
    weights["initial_weighting_logits"] = weights["initial_weighting_logits"][:, :5]
    if learned:
        weights["initial_memory"] = weights["initial_memory"][:5]
    small.load_state_dict(weights)
    state = model.initial_state(B, 5)
    assert state.memory.shape[1] == state.weighting.shape[2] == 5
    logits, state = model(inputs, state)
    expected, expected_state = small(inputs)
    assert logits.equal(expected)
    assert state.memory.equal(expected_state.memory)
    assert model.initial_state(B, 8).weighting.equal(model.initial_state(B).weighting)


@pytest.mark.bad_input
class TestBadInput:
    @each(
        "name",
        ["input_size", "output_size", "controller_size", "controller_layers", "read_heads",
         "write_heads", "memory_locations", "memory_width"],
    )  # fmt: skip
    @each("value", [0, -1, 2.0, "3", None, True])
    def test_sizes(self, name: str, value: Any) -> None:
        sizes = {"input_size": 9, "output_size": 8, name: value}
        with pytest.raises(
            ValueError, match=f"^{name}: .*(at least 1|from 1 to 1000), got {value!r}$"
        ):
            NTM(**sizes)

    @each(("value", "locations"), [(-1, 8), (4, 8), (2, 4), (1, 2), (0.5, 8), ("1", 8)])
    def test_shift_range(self, value: Any, locations: int) -> None:
        with pytest.raises(ValueError, match=f"^shift_range: expected .*got {value!r}$"):
            NTM(9, 8, shift_range=value, memory_locations=locations)

    @each("value", [-1, 1e7, math.inf, math.nan, "2", None])
    def test_memory_periods(self, value: Any) -> None:
        with pytest.raises(ValueError, match=f"^memory_periods: .* 0 to 1000000, got {value!r}$"):
            NTM(9, 8, learned_memory=True, memory_periods=value)

    def test_a_memory_is_learned_or_not(self) -> None:
        with pytest.raises(ValueError, match=r"^learned_memory: expected a bool, got 'no'$"):
            NTM(9, 8, learned_memory="no")

    def test_a_trace_of_a_step_of_ones_own(self) -> None:
        class Deaf(NTM):
            def advance(self, x: Tensor, state: NTMState) -> tuple[Tensor, NTMState]:
                return x.new_zeros(len(x), 120), state

        with pytest.raises(NotImplementedError, match=r"^trace: it needs an advance"):
            Deaf(9, 8).trace(torch.zeros(3, 2, 9))

    def test_periods_of_a_memory_that_is_not_learned(self) -> None:
        with pytest.raises(ValueError, match=r"^memory_periods: only a learned_memory .*got 2$"):
            NTM(9, 8, memory_periods=2)

    @each("value", ["LSTM", "ntm-lstm", "", None])
    def test_controller(self, value: Any) -> None:
        with pytest.raises(ValueError, match=r"^controller: .*'feedforward', 'lstm'.*got "):
            NTM(9, 8, controller=value)

    @each("shape", [(5, 2, 3), (5, 4), (4,), (0, 2, 4), (5, 0, 4), (1, 5, 2, 4)])
    def test_inputs(self, shape: tuple[int, ...]) -> None:
        model, inputs = build("lstm", torch.float32), torch.zeros(shape)
        for call in (model, model.trace):
            with pytest.raises(ValueError, match=r"^inputs: expected shape \(T, B, 4\), got \("):
                call(inputs)

    def test_whole_numbers_as_inputs(self) -> None:
        with pytest.raises(ValueError, match=r"^inputs: expected floating-point .*torch.int64"):
            build("lstm")(torch.zeros(5, 2, 4, dtype=torch.int64))

    def test_x(self) -> None:
        model = build("feedforward")
        with pytest.raises(ValueError, match=r"^x: expected shape \(B, 4\), got \(2, 5\)"):
            model.step(draw(2, 5), model.initial_state(2))

    @each("value", [0, -1, 1.5])
    def test_batch_size(self, value: Any) -> None:
        with pytest.raises(ValueError, match=f"^batch_size: .*got {value}"):
            build("feedforward").initial_state(value)

    @each("value", [0, -1, 1.5, 9])
    def test_memory_locations(self, value: Any) -> None:
        with pytest.raises(ValueError, match=f"^memory_locations: .*got {value}"):
            build("feedforward").initial_state(2, value)

    def test_a_state_for_another_batch_or_model(self) -> None:
        model, large = build("lstm"), build("lstm", memory_locations=9)
        wide = build("lstm", memory_width=4)
        for other, batch, given in (
            (model, 2, r"\(2, 8, 3\)"), (large, 3, r"\(3, 9, 3\)"), (wide, 3, r"\(3, 8, 4\)")
        ):  # fmt: skip
            state, message = other.initial_state(batch), rf"^state: .*\(3, 8, 3\).* got {given}"
            with pytest.raises(ValueError, match=message):
                model(draw(T, 3, I), state)
            with pytest.raises(ValueError, match=message):
                model.step(draw(3, I), state)
