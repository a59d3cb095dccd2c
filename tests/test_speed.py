"""A faster step is put where speed is wanted, and the model stays a model like any other."""

import copy
import pickle
from io import BytesIO
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ntm_tutorial import NTM, RECIPES, TASKS, ntm, pretrained, speed, train
from ntm_tutorial.models import FAMILIES
from ntm_tutorial.speed import fused
from tests.each import each

T, B, I, O = 6, 3, 4, 2  # noqa: E741


def build(**changes: Any) -> NTM:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"controller_size": 5, "memory_locations": 8, "memory_width": 3}
    return NTM(I, O, **sizes | changes).double()


def inputs() -> Tensor:
    return torch.rand(T, B, I, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_a_readers_own_machine_is_plain_and_what_comes_with_the_book_is_fast() -> None:
    model = build()
    assert model.memory_step is ntm.memory_step
    for family in FAMILIES.values():
        built: Any = speed.fast(family.build(9, 8))
        assert (getattr(built, "memory_step", None) is fused.memory_step) == family.compiles
    for (task, name), plan in RECIPES.items():
        if FAMILIES[name].compiles:
            for found in (plan.build(), pretrained.load(task, name).model):
                assert found.memory_step is fused.memory_step
    small = NTM(9, 8, controller_size=4, memory_locations=6).float()
    train(small, TASKS["copy"], sequences=8, batch_size=8, progress=False)
    assert small.memory_step is fused.memory_step


@each("controller", ["feedforward", "lstm"])
def test_it_computes_the_same_values_and_gradients(controller: str) -> None:
    model = build(controller=controller, read_heads=2, write_heads=2)
    found = []
    for machine in (model, speed.fast(copy.deepcopy(model))):
        logits, state = machine(inputs())
        loss = logits.square().sum() + state.memory.sum()
        found.append([logits, *state[:3], *torch.autograd.grad(loss, list(machine.parameters()))])
        traced, _ = machine.trace(inputs())
        torch.testing.assert_close(traced, logits)
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-9)


def test_a_step_of_ones_own_stays() -> None:
    def own(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
        return ntm.memory_step(*arguments)

    model = build()
    model.memory_step = own
    assert speed.fast(model).memory_step is own
    assert model(inputs())[0].equal(build()(inputs())[0])
    other = nn.LSTM(2, 2)
    assert speed.fast(other) is other


def test_a_fast_model_is_copied_and_stored() -> None:
    model = speed.fast(build())
    expected, _ = model(inputs())
    file = BytesIO()
    torch.save(model, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    for one in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), loaded):
        assert one.memory_step is fused.memory_step
        assert one(inputs())[0].equal(expected)
        nn.init.zeros_(one.output.weight)
        assert not one(inputs())[0].equal(expected), "it has weights of its own"


@pytest.mark.bad_input  # a size that is left open is no int
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@each("fast", [False, True])
def test_it_is_exported_with_a_free_batch(fast: bool) -> None:
    model = speed.fast(build(controller="lstm")) if fast else build(controller="lstm")
    batch = torch.export.Dim("batch", min=2)
    exported = torch.export.export(model, (inputs(),), dynamic_shapes=({1: batch},))
    wide = torch.cat([inputs(), inputs()], dim=1)
    torch.testing.assert_close(exported.module()(wide)[0], model(wide)[0])


@each("fast", [False, True])
def test_a_gradient_has_a_gradient(fast: bool) -> None:
    model = speed.fast(build()) if fast else build()
    loss = model(inputs())[0].square().sum()
    gradient = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
    length = torch.stack([part.square().sum() for part in gradient]).sum()
    (again,) = torch.autograd.grad(length, model.output.weight)
    assert again.isfinite().all() and again.any()
