"""The DNC against loops, written from Graves et al. (2016) and Csordás and Schmidhuber (2019)."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ntm_tutorial import TASKS, evaluate, pretrained
from ntm_tutorial.models.dnc import (
    DNC,
    FAINT,
    allocate,
    link_step,
    look_up,
    use,
)
from ntm_tutorial.recipes import recipe
from ntm_tutorial.training import History
from tests import loops
from tests.each import each
from tests.loops import Array
from tools import long_copies

T, B, I, O, N, M = 6, 3, 4, 2, 7, 3  # noqa: E741
SHAPES: list[dict[str, Any]] = [
    {},
    {"read_heads": 2},
    {"controller": "feedforward", "controller_layers": 2},
    {"masked": True},
    {"deallocate": True},
    {"sharp": True},
    {"read_heads": 3, "masked": True, "deallocate": True, "sharp": True},
]
all_shapes = each("shape", SHAPES)


def build(**changes: Any) -> DNC:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"controller_size": 5, "memory_locations": N, "memory_width": M}
    return DNC(I, O, **sizes | changes).double()


def draw(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def weightings(heads: int = 1, seed: int = 1) -> Tensor:
    """Draw weightings that sum to less than 1: (B, heads, N)."""
    return 0.8 * torch.softmax(3 * draw(B, heads, N, seed=seed), dim=-1)


def same(found: Tensor, expected: Array) -> None:
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-9)


# ---- The equations as loops


def looped_use(usage: Array, write: Array, read: Array, free: Array) -> Array:
    result = np.zeros_like(usage)
    for b, i in np.ndindex(*usage.shape):
        kept = math.prod(1 - free[b, r, 0] * read[b, r, i] for r in range(read.shape[1]))
        result[b, i] = (usage[b, i] + write[b, 0, i] - usage[b, i] * write[b, 0, i]) * kept
    return result


def looped_allocate(usage: Array) -> Array:
    result = np.zeros((len(usage), 1, usage.shape[1]))
    for b, row in enumerate(usage):
        full = 1.0
        for i in sorted(range(len(row)), key=lambda i: row[i]):
            used = FAINT + (1 - FAINT) * row[i]
            result[b, 0, i] = (1 - used) * full
            full *= used
    return result


def looped_link(link: Array, precedence: Array, write: Array) -> tuple[Array, Array]:
    result, last = np.zeros_like(link), np.zeros_like(precedence)
    for b, i, j in np.ndindex(*link.shape):
        w, v = write[b, 0, i], write[b, 0, j]
        if i != j:
            result[b, i, j] = (1 - w - v) * link[b, i, j] + w * precedence[b, 0, j]
    for b, i in np.ndindex(*link.shape[:2]):
        last[b, 0, i] = (1 - sum(write[b, 0])) * precedence[b, 0, i] + write[b, 0, i]
    return result, last


def looped_look_up(memory: Array, key: Array, strength: Array, mask: Array | None) -> Array:
    if mask is None:
        return loops.content_weighting(memory, key, strength)
    heads = [
        loops.content_weighting(
            memory * mask[:, h, None], (key * mask)[:, h : h + 1], strength[:, h : h + 1]
        )
        for h in range(key.shape[1])
    ]
    return np.concatenate(heads, axis=1)


def test_usage_against_loops() -> None:
    usage, write, read = draw(B, N), weightings(), weightings(2, seed=2)
    free = draw(B, 2, 1)
    arrays = [tensor.numpy() for tensor in (usage, write, read, free)]
    same(use(usage, write, read, free), looped_use(*arrays))


def test_allocation_against_loops() -> None:
    usage = draw(B, N)
    usage[0] = 0  # all equally free
    usage[1, 2:5] = usage[1, 0]
    same(allocate(usage), looped_allocate(usage.numpy()))


def test_links_against_loops() -> None:
    link, precedence, write = draw(B, N, N) / N, weightings(seed=2), weightings()
    found = link_step(link, precedence, write)
    expected = looped_link(*(tensor.numpy() for tensor in (link, precedence, write)))
    for one, other in zip(found, expected, strict=True):
        same(one, other)


def test_masked_look_up_against_loops() -> None:
    memory, key, strength, mask = draw(B, N, M), draw(B, 2, M), 5 * draw(B, 2, 1), draw(B, 2, M)
    arrays = [tensor.numpy() for tensor in (memory, key, strength, mask)]
    same(look_up(memory, key, strength, mask), looped_look_up(*arrays))


@all_shapes
@torch.no_grad()
def test_the_machine_against_loops(shape: dict[str, Any]) -> None:
    """Controller and instructions are taken as they are; all between them is in loops here."""
    model, inputs = build(**shape), draw(T, B, I)
    state = model.initial_state(B)
    memory, usage, link, last, write, read, reads = (part.numpy() for part in state[:-1])
    controller, expected = state.controller, []
    for x in inputs:
        seen = torch.cat([x, torch.from_numpy(reads).flatten(1)], dim=1)
        hidden, controller = model.controller(seen, controller)
        told: Any = model._instructions(hidden)
        told = type(told)(*(None if part is None else part.numpy() for part in told))
        usage = looped_use(usage, write, read, told.free_gate)
        if model.settings["deallocate"]:
            for b, r, i in np.ndindex(*read.shape):
                memory[b, i] = memory[b, i] * (1 - told.free_gate[b, r, 0] * read[b, r, i])
        found = looped_look_up(memory, told.write_key, told.write_strength, told.write_mask)
        gate = told.allocation_gate
        write = told.write_gate * (gate * looped_allocate(usage) + (1 - gate) * found)
        memory = loops.erase(memory, write, told.erase_vector)
        memory = loops.add(memory, write, told.add_vector)
        link, last = looped_link(link, last, write)
        before, after = np.zeros_like(read), np.zeros_like(read)
        for b, r, i, j in np.ndindex(*read.shape, N):
            before[b, r, i] += link[b, j, i] * read[b, r, j]
            after[b, r, i] += link[b, i, j] * read[b, r, j]
        if told.sharpening is not None:
            before = loops.sharpen(before + FAINT, told.sharpening[..., :1])
            after = loops.sharpen(after + FAINT, told.sharpening[..., 1:])
        content = looped_look_up(memory, told.read_key, told.read_strength, told.read_mask)
        read = sum(
            told.read_mode[..., k, None] * way for k, way in enumerate((before, content, after))
        )
        reads = loops.read(memory, read)
        features = np.concatenate([hidden.numpy(), reads.reshape(B, -1)], axis=1)
        expected.append(features @ model.output.weight.numpy().T + model.output.bias.numpy())
    logits, state = model(inputs)
    same(logits, np.stack(expected))
    for one, other in zip(state, (memory, usage, link, last, write, read, reads), strict=False):
        same(one, other)


@all_shapes
def test_a_trace_has_the_gradients_of_forward(shape: dict[str, Any]) -> None:
    model, inputs = build(**shape), draw(T, B, I)
    parameters = list(model.parameters())
    fast = torch.autograd.grad(model(inputs)[0].square().sum(), parameters)
    slow = torch.autograd.grad(model.trace(inputs)[0].square().sum(), parameters)
    torch.testing.assert_close(fast, slow)


# ---- What they are for


def one_hot(*places: int) -> Tensor:
    return torch.eye(N, dtype=torch.float64)[list(places)].unsqueeze(1)


def test_the_freest_location_is_allocated_and_of_equals_the_first() -> None:
    usage = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.5], [1.0, 1.0, 1.0]])
    found = allocate(usage)[:, 0]
    expected = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_what_is_freed_is_allocated_again() -> None:
    usage = torch.ones(1, N, dtype=torch.float64)
    usage = use(usage, one_hot(2), one_hot(5), torch.ones(1, 1, 1, dtype=torch.float64))
    assert allocate(usage).argmax() == 5


def test_links_lead_along_the_order_of_writing_and_back() -> None:
    link, precedence = draw(1, N, N) * 0, draw(1, 1, N) * 0
    for place in (4, 0, 2):
        link, precedence = link_step(link, precedence, one_hot(place))
    assert (one_hot(0) @ link.mT).equal(one_hot(2))
    assert (one_hot(0) @ link).equal(one_hot(4))
    link, _ = link_step(link, precedence, 0 * one_hot(6))  # nothing is written, nothing changes
    assert (one_hot(0) @ link.mT).equal(one_hot(2))
    assert link.sum(-1).max() <= 1 and link.sum(-2).max() <= 1


def test_free_gates_start_closed() -> None:
    told = build(read_heads=2)._instructions(torch.zeros(1, 5).double())
    assert told.free_gate.max() < 0.05 and told.write_gate.min() > 0.3


def test_deallocation_erases_what_is_freed() -> None:
    """The read head looks at one row and frees it; nothing is written."""
    plain, repaired = build(), build(deallocate=True)
    repaired.load_state_dict(plain.state_dict())
    with torch.no_grad():
        for model in (plain, repaired):
            model.instruct.weight.zero_()
            parts = dict(zip(model.layout, model.instruct.bias.split(model.cuts), strict=True))
            parts["free_gate"].fill_(50)  # all that is read
            parts["write_gate"].fill_(-50)
    for model, left in ((plain, 1.0), (repaired, 0.0)):
        state = model.initial_state(1)
        state = state._replace(memory=state.memory + 1, read_weighting=one_hot(3))
        _, state = model.step(draw(1, I), state)
        assert state.memory[0, 3].max().item() == pytest.approx(left, abs=1e-5)
        assert state.memory[0, 2].min() > 0.99


def test_memory_may_be_larger_at_test() -> None:
    model = build()
    larger = model.at(memory_locations=20)
    assert larger.initial_state(2).link.shape == (2, 20, 20)
    assert model.initial_state(2).link.shape == (2, N, N)
    assert model.initial_state(2, 30).usage.shape == (2, 30)
    assert larger.output.weight is model.output.weight
    inputs = draw(T, B, I)
    torch.testing.assert_close(model(inputs, model.initial_state(B, 20))[0], larger(inputs)[0])
    copier = DNC(9, 8, controller_size=5, memory_locations=4)
    assert evaluate(copier.at(memory_locations=12), TASKS["copy"], sequences=2, length=9)


@all_shapes
@torch.no_grad()
def test_no_location_has_a_place_of_its_own(shape: dict[str, Any]) -> None:
    """Rows that are dealt out anew, with all that belongs to them, change nothing."""
    model, inputs = build(**shape), draw(2 * T, B, I)
    _, state = model(inputs[:T])
    order = torch.randperm(N, generator=torch.Generator().manual_seed(4))
    dealt = state._replace(
        memory=state.memory[:, order],
        link=state.link[:, order][:, :, order],
        **{
            name: getattr(state, name)[..., order]
            for name in ("usage", "precedence", "write_weighting", "read_weighting")
        },
    )
    torch.testing.assert_close(model(inputs[T:], dealt)[0], model(inputs[T:], state)[0])


def test_long_copies_are_recorded_once(tmp_path: Path) -> None:
    plan = recipe("copy", "dnc").but(network={"controller_size": 4})
    path = tmp_path / "copy_dnc" / "seed-07.safetensors"
    pretrained.save_file(path, plan.build(), plan, History(), seed=7)
    file, tests = tmp_path / "record.json", {3: {"sequences": 2, "locations": 5}}
    found = long_copies.record(tmp_path, file, tests)
    names = {"sequences", "locations", "perfect", "mean_wrong"}
    assert set(found["copy_dnc/seed-07"]["3"]) == names
    path.write_bytes(b"")  # what was tested is not looked at again
    assert long_copies.record(tmp_path, file, tests) == found


@all_shapes
@each("scale", [0.0, 1e3, 1e10])
def test_extreme_inputs_give_finite_numbers(shape: dict[str, Any], scale: float) -> None:
    model = build(**shape).float()
    with torch.no_grad():
        model.instruct.weight.mul_(100)
    inputs = (scale * (draw(12, B, I).float() - 0.5)).requires_grad_()
    logits, state = model(inputs)
    logits.square().mean().backward()
    for tensor in (logits, *state[:-1], *(p.grad for p in model.parameters()), inputs.grad):
        assert tensor.isfinite().all()


@pytest.mark.bad_input
class TestBadInput:
    @each("name, value", [
        ("controller", "gru"), ("read_heads", 0), ("masked", 1), ("deallocate", None),
        ("sharp", "yes"),
    ])  # fmt: skip
    def test_settings(self, name: str, value: Any) -> None:
        with pytest.raises(ValueError, match=rf"^{name}: expected .* got {value!r}$"):
            build(**{name: value})

    @each("value", [0, 2.5, None])
    def test_another_memory(self, value: Any) -> None:
        with pytest.raises(ValueError, match=r"^memory_locations: expected a whole number"):
            build().at(memory_locations=value)
