"""The failure lab takes away what it says, and nothing else, and records what happened."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ntm_tutorial import NTM, TASKS, bits_per_sequence, train
from ntm_tutorial.heads import HeadParameters
from ntm_tutorial.lab import failures
from ntm_tutorial.lab.failures import EXPERIMENTS, gradient_squares
from ntm_tutorial.recipes import LIVE

EPISODE = TASKS["copy"].sample(2, generator=torch.Generator().manual_seed(0), length=3)
BRIEF = {"sequences": 64, "validate_every": 32, "validation_sequences": 10}


def backward(machine: NTM) -> Tensor:
    cost = bits_per_sequence(machine(EPISODE.inputs)[0], EPISODE).mean()
    cost.backward()
    return cost


def length_of_gradient(machine: NTM) -> float:
    gradients = [weight.grad for weight in machine.parameters() if weight.grad is not None]
    return nn.utils.get_total_norm(gradients).item()


def heads_of(name: str, hidden: Tensor) -> HeadParameters:
    return EXPERIMENTS[name].build().heads(hidden)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_starts_as_live_training_does_and_computes_the_same_in_a_trace(name: str) -> None:
    machine, intact = EXPERIMENTS[name].build(1).double(), LIVE.build(1)
    for key, weight in intact.state_dict().items():
        assert torch.equal(machine.state_dict()[key], weight.double())
    inputs = EPISODE.inputs.double()
    torch.manual_seed(0)
    logits = machine(inputs)[0]
    torch.manual_seed(0)
    torch.testing.assert_close(machine.trace(inputs)[0], logits)


def test_each_differs_from_the_intact_training() -> None:
    found = set()
    for experiment in EXPERIMENTS.values():
        torch.manual_seed(0)
        machine = experiment.build()
        backward(machine)
        found.add((length_of_gradient(machine), str(experiment.recipe)))
    assert len(found) == len(EXPERIMENTS)


def test_the_memory_starts_elsewhere() -> None:
    start = {
        name: EXPERIMENTS[name].build().initial_state(3, 100).memory
        for name in ("memory starts near zero", "memory starts random")
    }
    assert torch.equal(start["memory starts near zero"], torch.full((3, 100, 20), 1e-6))
    noise = start["memory starts random"]
    assert noise.shape == (3, 100, 20)
    assert noise.std().item() == pytest.approx(0.5, rel=0.1)
    assert not torch.equal(noise[0], noise[1])


def test_the_heads_lose_their_bounds() -> None:
    hidden = 3 * torch.randn(50, 100, generator=torch.Generator().manual_seed(0))
    intact = EXPERIMENTS["intact"].build().heads
    _, raw, _, _, raw_sharpening, _, _ = intact.parts(intact.linear(hidden))
    free = heads_of("key strength of any sign", hidden).key_strength
    torch.testing.assert_close(free, raw, rtol=1e-4, atol=1e-4)
    assert free.min() < 0
    power = heads_of("exponential key strength", hidden).key_strength
    torch.testing.assert_close(power, raw.exp(), rtol=1e-4, atol=1e-4)
    sharpening = heads_of("sharpening without floor", hidden).sharpening
    torch.testing.assert_close(sharpening, nn.functional.softplus(raw_sharpening))
    assert sharpening.min() < 1


def test_gradients_are_cut_where_it_says() -> None:
    blind, short = (
        EXPERIMENTS[name].build()
        for name in ("no gradient to the shift", "no gradient to the past")
    )
    intact = EXPERIMENTS["intact"].build()
    costs = [backward(machine) for machine in (intact, blind, short)]
    assert torch.equal(costs[0], costs[1]) and torch.equal(costs[0], costs[2])
    shifts = {
        machine: machine.heads.parts(machine.heads.linear.bias.grad)[3].abs().min()
        for machine in (intact, blind, short)
    }
    assert shifts[blind] == 0 and min(shifts[intact], shifts[short]) > 0
    assert intact.initial_weighting_logits.grad is not None
    assert blind.initial_weighting_logits.grad is not None
    assert short.initial_weighting_logits.grad is None


def test_the_listener_hears_every_update_before_it_is_clipped() -> None:
    machine = LIVE.build()
    squares = gradient_squares(machine)
    train(machine, TASKS["copy"], **LIVE.training | BRIEF | {"clip_norm": 1e-3}, progress=False)
    assert len(squares) == 64 / LIVE.training["batch_size"]  # and no validation
    assert length_of_gradient(machine) == pytest.approx(1e-3, rel=1e-3)
    assert min(squares) > 0.01
    machine.zero_grad()
    backward(machine)
    assert math.sqrt(squares[-1]) == pytest.approx(length_of_gradient(machine), rel=1e-5)


def test_gradients_are_summed_up() -> None:
    norms = [float(i) for i in range(1, 1001)]
    found = failures._summary([*norms, math.nan, math.inf])
    assert (found["updates"], found["median"], found["maximum"]) == (1000, 500.5, 1000)
    assert found["percentile_95"] == 950
    assert found["updates_a_point"] == 5
    assert found["medians"][:2] == [3, 8] and found["maxima"][:2] == [5, 10]
    assert len(found["medians"]) == len(found["maxima"]) == failures.POINTS
    clip = LIVE.training["clip_norm"]
    assert found["share_clipped"] == sum(norm > clip for norm in norms) / 1000


def test_a_run_that_breaks_is_recorded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = failures.Experiment(training={"learning_rate": 1e38, **BRIEF, "ramp": 10**9})
    monkeypatch.setitem(EXPERIMENTS, "broken", broken)
    found = failures.record("broken", 3)
    assert "not finite after" in found["stopped"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_command_does_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[tuple[str, int]] = []

    def record(name: str, seed: int, *, compile: bool) -> dict[str, Any]:
        done.append((name, seed))
        return {"recipe": failures._plain(EXPERIMENTS[name].recipe.describe())}

    monkeypatch.setattr(failures, "FOLDER", tmp_path / "failures")
    monkeypatch.setattr(failures, "record", record)
    failures.main()
    assert len(done) == len(EXPERIMENTS) * len(failures.SEEDS) == len(set(done))
    failures.path_of("no brakes", 1).unlink()
    failures.path_of("intact", 0).write_text('{"recipe": {}}', encoding="utf-8")
    done.clear()
    failures.main()
    assert set(done) == {("no brakes", 1), ("intact", 0)}
    assert not failures.to_do()
    assert "2 runs to do" in capsys.readouterr().out


def test_all_runs_are_recorded_with_todays_settings() -> None:
    assert not failures.to_do(), "run `make failures`"
    for name in EXPERIMENTS:
        for seed, found in zip(failures.SEEDS, failures.recorded(name), strict=True):
            assert (found["experiment"], found["seed"]) == (name, seed)
            assert (
                found["stopped"]
                or found["history"]["sequences"][-1] == failures.LENGTH["sequences"]
            )
