"""What every family of models can do, whichever it is: a family is tested by being in the registry.

What only one of them does is tested in its own file, against loops.
"""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ntm_tutorial import TASKS, evaluate, pretrained, train
from ntm_tutorial.lab.cli import main
from ntm_tutorial.models import FAMILIES, SequenceModel, run_traced
from ntm_tutorial.recipes import ALL_RECIPES, recipe
from ntm_tutorial.training import History
from tools.kills import small

SMALL: dict[str, int] = {
    "controller_size": 5,
    "hidden_size": 5,
    "layers": 2,
    "memory_locations": 8,
    "memory_width": 3,
    "width": 8,
    "heads": 2,
    "key_width": 3,
    "value_width": 4,
}
"""Settings that make a network small, for the families that have them."""

COPY = TASKS["copy"]
pytestmark = pytest.mark.parametrize("name", FAMILIES)


def sizes(name: str) -> dict[str, int]:
    return {size: SMALL[size] for size in FAMILIES[name].sizes if size in SMALL}


def build(name: str, dtype: torch.dtype = torch.float64, seed: int = 0) -> Any:
    """Build a small model in which nothing is special: every weight is off its start."""
    torch.manual_seed(seed)
    model = FAMILIES[name].build(COPY.input_size, COPY.output_size, **sizes(name)).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def sequences(length: int = 4, batch: int = 3) -> Tensor:
    """Draw sequences of copy, for models that listen to the delimiter: (T, B, 9)."""
    generator = torch.Generator().manual_seed(1)
    return COPY.sample(batch, length=length, generator=generator).inputs.double()


def tensors(state: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(state) if isinstance(leaf, Tensor)]


def same(one: Any, other: Any) -> None:
    for a, b in zip(tensors(one), tensors(other), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)


def test_it_keeps_the_protocol_and_says_how_it_was_built(name: str) -> None:
    model = build(name)
    assert isinstance(model, SequenceModel)
    assert isinstance(model, nn.Module)
    again = FAMILIES[name].kind(**model.settings).double()
    again.load_state_dict(model.state_dict())
    same(again(sequences()), model(sequences()))


def test_step_by_step_and_in_pieces_it_is_one_run(name: str) -> None:
    model, inputs = build(name), sequences()
    whole, end = model(inputs)
    assert whole.shape == (len(inputs), 3, COPY.output_size)
    first, state = model(inputs[:3])
    second, state = model(inputs[3:], state)
    same([torch.cat([first, second]), state], [whole, end])
    state = model.initial_state(3)
    for x, expected in zip(inputs, whole, strict=True):
        logits, state = model.step(x, state)
        same(logits, expected)
    same(state, end)


def test_a_trace_shows_what_forward_computes(name: str) -> None:
    model, inputs = build(name), sequences()
    logits, trace = run_traced(model, inputs)
    same(logits, model(inputs)[0])
    assert all(part.shape[:2] == inputs.shape[:2] for part in tensors(trace))


def test_nothing_is_mutated(name: str) -> None:
    model, inputs = build(name), sequences()
    _, state = model(inputs)
    watched = [inputs, *tensors(state), *model.state_dict().values()]
    before = copy.deepcopy([tensor.detach() for tensor in watched])
    attributes = {key: id(value) for key, value in vars(model).items()}
    first, _ = model(inputs, state)
    first.sum().backward()
    model.step(inputs[0], state)
    run_traced(model, inputs)
    assert all(now.equal(then) for now, then in zip(watched, before, strict=True))
    assert attributes == {key: id(value) for key, value in vars(model).items()}
    assert model(inputs, state)[0].equal(first)


def test_every_sequence_is_alone(name: str) -> None:
    model, inputs = build(name), sequences()
    logits, _ = model(inputs)
    for b in range(3):
        same(model(inputs[:, b : b + 1])[0], logits[:, b : b + 1])


def test_no_answer_knows_what_comes(name: str) -> None:
    model, inputs = build(name), sequences()
    other = inputs.clone()
    other[4:] = 1 - other[4:]
    same(model(other)[0][:4], model(inputs)[0][:4])


def test_the_gradient_is_right(name: str) -> None:
    model, inputs = build(name), sequences(length=2, batch=2)
    names = list(dict(model.named_parameters()))

    def run(*parameters: Tensor) -> tuple[Tensor, ...]:
        values = dict(zip(names, parameters, strict=True))
        logits, state = torch.func.functional_call(model, values, inputs)
        return logits, *(leaf for leaf in tensors(state) if leaf.is_floating_point())

    assert torch.autograd.gradcheck(run, tuple(model.parameters()), fast_mode=True)


def test_every_parameter_learns(name: str) -> None:
    model = build(name)
    model(sequences())[0].square().sum().backward()
    for weight, parameter in model.named_parameters():
        assert parameter.grad is not None, weight
        assert parameter.grad.isfinite().all(), weight
        assert parameter.grad.abs().sum() > 0, weight


@pytest.mark.bad_input
def test_a_state_of_another_batch_or_model_is_refused(name: str) -> None:
    model, inputs = build(name), sequences()
    strangers = [build(other).initial_state(3) for other in FAMILIES if other != name]
    own = [type(model.initial_state(3)), [part.shape for part in tensors(model.initial_state(3))]]
    strangers = [s for s in strangers if [type(s), [part.shape for part in tensors(s)]] != own]
    for state in (model.initial_state(2), (), *strangers):
        with pytest.raises(ValueError, match=r"^state: expected "):
            model(inputs, state)
        with pytest.raises(ValueError, match=r"^state: expected "):
            model.step(inputs[0], state)


@pytest.mark.bad_input
def test_bad_inputs_are_refused(name: str) -> None:
    model = build(name)
    for shape in ((5, 2, 3), (5, 9), (0, 2, 9), (5, 0, 9)):
        with pytest.raises(ValueError, match=r"^inputs: expected shape \(T, B, 9\), got \("):
            model(torch.zeros(shape, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"^x: expected shape \(B, 9\), got \(2, 5\)"):
        model.step(torch.zeros(2, 5, dtype=torch.float64), model.initial_state(2))
    with pytest.raises(ValueError, match=r"^batch_size: expected a whole number"):
        model.initial_state(0)
    for size in ("input_size", "output_size", *sizes(name)):
        with pytest.raises(ValueError, match=f"^{size}: expected "):
            FAMILIES[name].kind(**model.settings | {size: 0})


def test_training_goes_on_as_if_it_had_never_stopped(name: str, tmp_path: Path) -> None:
    how: dict[str, Any] = {"sequences": 24, "batch_size": 4, "progress": False, "average": 0.9}
    how |= {"validate_every": 8, "validation_sequences": 2, "optimizer": "adam"}

    def stop(history: History) -> None:
        if len(history.sequences) == 2:
            raise KeyboardInterrupt

    unbroken = build(name, torch.float32)
    history = train(unbroken, COPY, **how)
    path = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        train(build(name, torch.float32), COPY, **how, checkpoint=path, on_validation=stop)
    resumed = build(name, torch.float32, seed=1)
    found = train(resumed, COPY, **how, checkpoint=path)
    assert found.validation_bits == history.validation_bits
    for weight, value in resumed.state_dict().items():
        assert value.equal(unbroken.state_dict()[weight]), weight


def test_it_is_saved_and_loaded(name: str, tmp_path: Path) -> None:
    task = next(task for task, model in ALL_RECIPES if model == name)
    plan = recipe(task, name).but(network=sizes(name))
    model = plan.build(seed=5)
    pretrained.save_file(tmp_path / "it", model, plan, History(), seed=5)
    found = pretrained.load_file(tmp_path / "it")
    assert found.recipe == replace(plan, seed=5)
    for weight, value in found.model.state_dict().items():
        assert value.equal(model.state_dict()[weight]), weight


def test_it_is_evaluated(name: str) -> None:
    found = evaluate(build(name, torch.float32), COPY, sequences=3, length=5)
    assert found.bits.isfinite().all()
    assert found.asked.tolist() == [40] * 3


def test_the_command_line_knows_it(
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = next(task for task, model in ALL_RECIPES if model == name)
    monkeypatch.setitem(ALL_RECIPES, (task, name), small(recipe(task, name)))
    file = str(tmp_path / "it")
    trained = ["train", task, name, "--sequences", "2", "--output", file, "--no-progress"]
    assert main(trained) == 0
    assert main(["evaluate", task, name, "--file", file, "--sequences", "2"]) == 0
    assert "wrong" in capsys.readouterr().out
