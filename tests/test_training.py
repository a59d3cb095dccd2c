"""The training loop: repeatable, resumable at any moment, and careful with what it is given."""

import copy
import itertools
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ntm_tutorial import callbacks, storage, training
from ntm_tutorial.callbacks import Average, Callback, Harden, Hold, Settle
from ntm_tutorial.evaluation import SEEDS, bits_per_sequence
from ntm_tutorial.models.lstm import LSTMBaseline
from ntm_tutorial.ntm import NTM, NTMState
from ntm_tutorial.recipes import ALL_RECIPES, LIVES
from ntm_tutorial.settings import (
    NAMES,
    Curriculum,
    Optimizer,
    Schedule,
    Settings,
    Validation,
    flat,
    typed,
)
from ntm_tutorial.tasks import ALL_TASKS, TASKS, Episode
from ntm_tutorial.tasks.copy import Copy
from ntm_tutorial.training import History, train

ROOT = Path(__file__).parent.parent


class Short(Copy):
    """Copy with short sequences, so that a run takes a moment."""

    training_range = {"length": (1, 3)}


COPY = Short()
RUN: dict[str, Any] = {
    "sequences": 60, "batch_size": 8, "validate_every": 16, "validation_sequences": 10,
    "seed": 5, "progress": False,
}  # fmt: skip
WAYS: list[dict[str, Any]] = [
    {},
    {"average": 0.9, "decay": 0.7},
    {"optimizer": "rmsprop", "learning_rate": 1e-3, "epsilon": 1e-2, "mixed": False},
    {"optimizer": "rmsprop", "average": 0.5, "decay": 1.0, "epsilon": 1e-8},
    {"harden_after": 24, "weight_noise": 0.1, "memory_sizes": [5, 10]},
]
all_ways = pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way) or "plain")


def small(controller: str = "lstm") -> NTM:
    torch.manual_seed(0)
    return NTM(
        9, 8, controller=controller, controller_size=8, memory_locations=10, memory_width=4
    )  # fmt: skip


def curve(history: History) -> dict[str, list[float]]:
    """Return the history without its clock."""
    return {name: value for name, value in vars(history).items() if name != "seconds"}


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def identical(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


def gradient_step(clipping: dict[str, float]) -> tuple[Tensor, Tensor]:
    """Train one batch with Adam's epsilon so large that a step is the gradient.

    Return the gradient as computed here, and the step as taken there.
    """
    model, there = small(), small()
    episode = COPY.sample(8, generator=torch.Generator().manual_seed(5))
    logits, _ = model(episode.inputs)
    nats = bits_per_sequence(logits, episode).mean() * math.log(2)
    gradients = torch.autograd.grad(nats, list(model.parameters()))
    limits = {"clip_value": 1e9, "clip_norm": 1e9, **clipping}
    run = RUN | {"sequences": 8, "learning_rate": 1e9, "epsilon": 1e9}
    train(there, COPY, **run, **limits)
    steps = [
        a.detach() - b.detach() for a, b in zip(model.parameters(), there.parameters(), strict=True)
    ]
    return torch.cat([g.flatten() for g in gradients]), torch.cat([s.flatten() for s in steps])


def watch_rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list that takes down Adam's learning rate at each step."""
    rates: list[float] = []
    plain = torch.optim.Adam.step

    def step(self: torch.optim.Adam, *arguments: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return plain(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    return rates


class TestOneStep:
    def test_it_goes_down_the_gradient_of_the_summed_cross_entropy(self) -> None:
        gradient, step = gradient_step({})
        torch.testing.assert_close(step, gradient, rtol=1e-3, atol=1e-4)

    def test_every_component_is_clipped(self) -> None:
        gradient, step = gradient_step({"clip_value": 0.05})
        assert gradient.abs().max() > 0.1
        torch.testing.assert_close(step, gradient.clamp(-0.05, 0.05), rtol=1e-3, atol=1e-5)

    def test_the_norm_is_clipped(self) -> None:
        gradient, step = gradient_step({"clip_norm": 0.5})
        assert gradient.norm() > 0.6
        torch.testing.assert_close(step, 0.5 * gradient / gradient.norm(), rtol=1e-2, atol=1e-5)

    @pytest.mark.parametrize(
        ("name", "settings"),
        [
            ("adam", {"betas": (0.8, 0.7)}),
            ("rmsprop", {"alpha": 0.7, "momentum": 0.8, "centered": True}),
        ],
    )
    def test_optimizers(self, name: str, settings: dict[str, Any]) -> None:
        given = {"learning_rate": 0.02, "epsilon": 0.3, "momentum": 0.8, "smoothing": 0.7}
        chosen = typed({"sequences": 8, "optimizer": name, **given})
        made = chosen.optimizer.build(small(), chosen.learning_rate)
        assert type(made).__name__.lower() == name
        for key, value in {"lr": 0.02, "eps": 0.3, **settings}.items():
            assert made.param_groups[0][key] == value

    def test_the_learning_rate_falls_over_the_last_share(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rates = watch_rates(monkeypatch)
        train(small(), COPY, **RUN | {"sequences": 80}, learning_rate=1.0, decay=0.5)
        assert rates == pytest.approx([1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])

    def test_each_round_starts_at_the_full_learning_rate(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rates = watch_rates(monkeypatch)
        train(small(), COPY, **RUN | {"sequences": 80}, learning_rate=1.0, decay=0.4, rounds=2)
        assert rates == pytest.approx([1, 1, 1, 1, 0.5, 1, 1, 1, 1, 0.5])


class TestHardening:
    @staticmethod
    def watch(
        monkeypatch: pytest.MonkeyPatch, **settings: Any
    ) -> list[tuple[int, dict[str, Tensor]]]:
        """Return how many locations, and which weights, each batch was computed with."""
        seen, plain = [], NTM.forward

        def forward(self: NTM, inputs: Tensor, state: NTMState | None = None) -> Any:
            if torch.is_grad_enabled():
                seen.append((10 if state is None else state.memory.shape[1], weights(self)))
            return plain(self, inputs, state)

        monkeypatch.setattr(NTM, "forward", forward)
        train(small(), COPY, **RUN | {"sequences": 48, "learning_rate": 1e-12} | settings)
        return seen

    def test_memory_sizes_take_turns_once_the_task_is_learned(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = self.watch(monkeypatch, harden_after=24, memory_sizes=[4, 7])
        assert [locations for locations, _ in seen] == [10, 10, 10, 7, 4, 7]

    def test_noise_is_new_for_each_batch_and_taken_off_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The learning rate is next to nothing: only the noise moves the weights."""
        start = small().heads.linear.weight
        seen = self.watch(monkeypatch, harden_after=16, weight_noise=0.3)
        noise = torch.stack([found["heads.linear.weight"] for _, found in seen]) - start
        assert noise[:2].abs().max() < 1e-6
        assert noise[2:].std((1, 2)).tolist() == pytest.approx([0.3] * 4, rel=0.1)
        assert noise.mean().abs() < 0.02
        assert (noise[3] - noise[2]).std() > 0.3
        model = small()
        run = {"sequences": 48, "learning_rate": 1e-12, "harden_after": 0, "weight_noise": 0.3}
        train(model, COPY, **RUN | run)
        torch.testing.assert_close(model.heads.linear.weight, start, rtol=0, atol=1e-6)

    def test_only_weight_matrices_are_disturbed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        start = weights(small())
        seen = self.watch(monkeypatch, sequences=8, harden_after=0, weight_noise=0.3)
        moved = {name for name, value in seen[0][1].items() if not value.equal(start[name])}
        assert moved == {
            "controller.layers.0.weight_ih", "controller.layers.0.weight_hh",
            "heads.linear.weight", "output.weight",
        }  # fmt: skip

    def test_only_hardened_weights_are_kept(self) -> None:
        """With this much noise the weights that validated best come from before it."""
        run = RUN | {"sequences": 320, "validate_every": 80}
        hardened = small()
        noise = {"harden_after": 160, "weight_noise": 30.0, "learning_rate": 0.3}
        history = train(hardened, COPY, **run | noise)
        assert min(history.validation_bits) in history.validation_bits[:2]
        episode = COPY.sample(10, generator=torch.Generator().manual_seed(SEEDS + 5))
        kept = bits_per_sequence(hardened(episode.inputs)[0], episode).mean().item()
        assert kept == pytest.approx(min(history.validation_bits[2:]), rel=1e-4)

    def test_without_a_start_nothing_is_hardened(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = self.watch(monkeypatch, memory_sizes=[4], weight_noise=0.3)
        assert {locations for locations, _ in seen} == {10}
        first, last = (found["heads.linear.weight"] for _, found in (seen[0], seen[-1]))
        assert (last - first).abs().max() < 1e-6

    def test_noise_is_taken_off_when_a_batch_is_interrupted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model, start = small(), weights(small())

        def interrupt(*_: Any) -> None:
            assert not model.heads.linear.weight.equal(start["heads.linear.weight"])
            raise KeyboardInterrupt

        monkeypatch.setattr(NTM, "forward", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(model, COPY, **RUN, harden_after=0, weight_noise=0.3)
        assert identical(weights(model), start)


class TestSettings:
    TYPED = Settings(
        7, 8, 0.1, Optimizer("rmsprop", (0.5, 0.6), 0.3, 4.0, 5.0), Schedule(0.2, 3),
        Curriculum(mixed=False, ramp=9), Validation(10, 11, {"length": 3}, even=True, stop_at=1.0),
        (Average(0.9), Harden(5, 0.1, (4, 8)), Hold(6.0), Settle(2.0)),
    )  # fmt: skip

    def test_flat_names_there_and_back(self) -> None:
        names = flat(self.TYPED)
        assert tuple(names) == NAMES
        assert typed(names) == self.TYPED
        assert typed(json.loads(json.dumps(names))) == self.TYPED
        assert (names["momentum"], names["smoothing"], names["epsilon"]) == (0.5, 0.6, 0.3)
        assert self.TYPED.but(decay=0.7).schedule == Schedule(0.7, 3)
        assert replace(ALL_RECIPES["copy", "lstm"], settings=self.TYPED).training == names

    def test_groups_and_flat_names_give_the_same_run(self) -> None:
        by_name = train(
            small(), COPY, **RUN, average=0.9, decay=0.5, mixed=False, momentum=0.5, ramp=40
        )
        in_groups = train(
            small(), COPY, sequences=60, batch_size=8, seed=5, progress=False,
            optimizer=Optimizer(betas=(0.5, 0.9)), schedule=Schedule(0.5),
            curriculum=Curriculum(mixed=False, ramp=40), validation=Validation(16, 10),
            callbacks=[Average(0.9)],
        )  # fmt: skip
        assert curve(by_name) == curve(in_groups)

    def test_numbers_of_other_kinds(self) -> None:
        run = RUN | {n: np.int8(RUN[n]) for n in ("sequences", "seed", "validate_every")}
        other = train(small(), COPY, **run, learning_rate=np.float64(3e-3), ramp=np.uint8(0))
        assert curve(other) == curve(train(small(), COPY, **RUN))


class Still(Schedule):
    """A reader's own: nothing is learned."""

    def factor(self, seen: int, sequences: int) -> float:
        return 0.0


def test_a_schedule_of_the_readers_own_is_what_runs() -> None:
    model = small()
    before = copy.deepcopy(model.state_dict())
    train(model, COPY, **RUN, schedule=Still())
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
    with pytest.raises(ValueError, match=r"^schedule: it is of a class of yours; set it there"):
        train(small(), COPY, **RUN, schedule=Still(), decay=0.5)


class Counter(Callback):
    """A reader's own: it counts steps, and lets the learning rate fall with them."""

    def __init__(self) -> None:
        self.steps = torch.zeros(())

    def rate(self, run: training.Run) -> float:
        return 1 / (1 + self.steps.item())

    def stepped(self, run: training.Run) -> None:
        self.steps += 1

    def state_dict(self) -> dict[str, Tensor]:
        return {"steps": self.steps.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.steps.copy_(state["steps"])


class TestRepeatable:
    @all_ways
    def test_the_same_seed_gives_the_same_run(self, way: dict[str, Any]) -> None:
        results = []
        for noise in range(2):
            model = small()
            torch.manual_seed(noise)  # nothing may hang on the global generator
            history = train(model, COPY, **RUN | way)
            results.append((curve(history), weights(model)))
        assert results[0][0] == results[1][0]
        assert identical(results[0][1], results[1][1])

    def test_another_seed_gives_another_run(self) -> None:
        one, other = (train(small(), COPY, **RUN | {"seed": seed}) for seed in (1, 2))
        assert one.training_bits != other.training_bits
        assert one.validation_bits != other.validation_bits

    def test_the_global_generator_is_left_alone(self) -> None:
        model, before = small(), torch.get_rng_state()
        train(model, COPY, **RUN)
        assert torch.get_rng_state().equal(before)


class TestHistory:
    def test_entries(self) -> None:
        seen: list[int] = []
        history = train(small(), COPY, **RUN, on_validation=lambda h: seen.append(len(h.sequences)))
        assert history.sequences == [16, 32, 48, 60]
        assert seen == [1, 2, 3, 4]
        assert all(len(values) == 4 for values in vars(history).values())
        assert history.seconds == sorted(history.seconds)
        assert all(np.isfinite(values).all() for values in vars(history).values())

    def test_training_bits_are_the_mean_since_the_last_entry(self) -> None:
        """With a rate of next to nothing, the cost is that of the start."""
        model = small()
        run = RUN | {"sequences": 32, "learning_rate": 1e-12}
        history = train(model, COPY, **run)
        generator = torch.Generator().manual_seed(5)
        costs = []
        for _ in range(4):
            episode = COPY.sample(8, generator=generator)
            costs.append(bits_per_sequence(model(episode.inputs)[0], episode).mean().item())
        expected = [np.mean(costs[:2]), np.mean(costs[2:])]
        assert history.training_bits == pytest.approx(expected, rel=1e-5)
        assert history.validation_bits[0] == pytest.approx(history.validation_bits[1], rel=1e-6)

    def test_reached(self) -> None:
        history = History([10, 20, 30], [9.0] * 3, [5.0, 1.0, 2.0], [0.0] * 3, [1.0] * 3)
        assert history.reached(5.0) == 10
        assert history.reached(1.5) == 20
        assert history.reached(0.5) is None

    @pytest.mark.parametrize(
        ("bits", "sequences", "start"),
        [
            (0.1, 20, 50),  # the first stretch, 20 to 30, is too short
            (0.1, 10, 20),
            (0.1, 30, None),  # what comes after the last validation is not known
            (0.1, 5, 20),  # so the next validation must show it
            (1.0, 50, 20),
            (0.01, 0, None),
        ],
    )
    def test_sustained(self, bits: float, sequences: int, start: int | None) -> None:
        history = History([10, 20, 30, 40, 50, 60, 70], [], [5.0, 0.1, 0.05, 0.2, 0.1, 0.1, 0.1])
        assert history.sustained(bits, sequences) == start

    def test_the_lowest_cost_is_that_of_weights_that_were_kept(self) -> None:
        history = History([10, 20, 30], [], [0.1, math.nan, 0.4])
        assert [history.lowest(after) for after in (0, 10, 30)] == [0.1, 0.4, 0.1]
        assert math.isnan(History().lowest())

    def test_what_is_not_finite_is_not_sustained(self) -> None:
        assert History([10, 20, 30], [], [0.1, math.nan, 0.1]).sustained(0.1, 10) is None

    @pytest.mark.parametrize(
        ("costs", "count"),
        [
            ([5.0, 0.1, 0.5, 0.1, 1.0], 0),
            ([5.0, 0.1, 1.1, 9.0, 0.2, 9.0], 1),  # still the first one: 0.2 is not 0.1
            ([5.0, 0.1, 1.1, 0.1, 9.0], 2),
            ([5.0, 0.2, 3.0], 0),
            ([0.1, math.nan], 1),
        ],
    )
    def test_relapses(self, costs: list[float], count: int) -> None:
        history = History(list(range(len(costs))), [], costs)
        assert history.relapses(0.1) == history.relapses(0.1, above=1.0) == count

    def test_it_settles_once_the_goal_was_reached(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rates = watch_rates(monkeypatch)
        costs = iter([9.0, 3.0, 5.0, 9.0])
        monkeypatch.setattr(training, "bits_per_sequence", lambda *_: torch.tensor([next(costs)]))
        train(small(), COPY, **RUN, learning_rate=1.0, settle_at=4.0)
        assert rates == pytest.approx([1.0] * 4 + [callbacks.SETTLED] * 4)

    def test_settling_goes_on_from_the_average_that_validated(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(callbacks, "SETTLED", 1e-12)  # what follows changes nothing
        settings = RUN | {"average": 0.9, "learning_rate": 0.1}
        costs = iter([9.0, 3.0, 5.0, 9.0])
        monkeypatch.setattr(training, "bits_per_sequence", lambda *_: torch.tensor([next(costs)]))
        model = small()
        after: list[dict[str, Tensor]] = []
        train(
            model,
            COPY,
            **settings,
            settle_at=4.0,
            on_validation=lambda _: after.append(weights(model)),
        )
        assert not identical(after[0], weights(model))
        assert identical(after[1], weights(model))
        assert identical(after[3], weights(model))

    @pytest.mark.parametrize("average", [0.0, 0.9])
    @pytest.mark.parametrize(
        ("costs", "held"),
        [
            ([9.0, 2.0, 10.1, 9.9], True),
            ([9.0, 2.0, 9.9, 10.1], False),  # less than five times the best
            ([100.0, 5.0, 26.0, 9.0], False),  # nothing to hold yet
        ],
    )
    def test_what_was_learned_is_held(
        self, average: float, costs: list[float], held: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = iter(costs)
        monkeypatch.setattr(training, "bits_per_sequence", lambda *_: torch.tensor([next(given)]))
        model, after = small(), list[dict[str, Tensor]]()
        train(
            model, COPY, **RUN, learning_rate=0.1, average=average, hold_at=4.0,
            on_validation=lambda _: after.append(weights(model)),
        )  # fmt: skip
        assert identical(after[2], weights(model)) is held

    def test_it_stops_at_the_goal(self) -> None:
        history = train(small(), COPY, **RUN, stop_at=1000.0)
        assert history.sequences == [16]

    def test_the_model_learns(self) -> None:
        torch.manual_seed(0)
        history = train(NTM(9, 8), COPY, sequences=1600, validate_every=800, progress=False)
        assert history.validation_bits[-1] < 12, "a model that knows nothing pays 16"


@all_ways
def test_the_weights_that_validated_best_are_kept(
    way: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    for stop_at in (None, 3.0):  # to the end, or until the best was found
        costs = iter([5.0, 3.0, 4.0, math.nan])
        monkeypatch.setattr(
            training, "bits_per_sequence", lambda *_, costs=costs: torch.tensor([next(costs)])
        )
        model = small()
        history = train(model, COPY, **RUN | way, stop_at=stop_at)
        kept.append(weights(model))
    assert history.validation_bits == [5.0, 3.0]
    assert identical(*kept)


def test_the_average_of_the_weights_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[list[Tensor]] = []
    plain = torch.optim.Adam.step

    def step(self: torch.optim.Adam, *arguments: Any) -> None:
        plain(self, *arguments)
        steps.append([value.detach().clone() for value in self.param_groups[0]["params"]])

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    model = small()
    train(model, COPY, **RUN | {"validate_every": 100}, average=0.7)
    expected, *later = steps
    for now in later:
        expected = [0.7 * one + 0.3 * other for one, other in zip(expected, now, strict=True)]
    for found, wanted in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(found, wanted)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C at a chosen moment."""


def interrupt(function: Callable[..., Any], at: int, after: bool = False) -> Callable[..., Any]:
    """Wrap a function to be interrupted in its call number `at`, before or after its work."""
    calls = itertools.count()

    def wrapped(*arguments: Any, **keywords: Any) -> Any:
        due = next(calls) == at
        if due and not after:
            raise Interrupted
        result = function(*arguments, **keywords)
        if due:
            raise Interrupted
        return result

    return wrapped


MOMENTS = {
    "while drawing": (Copy, "sample", 3, False),
    "after drawing": (Copy, "sample", 3, True),
    "before a step": (torch.optim.Optimizer, "zero_grad", 4, False),
    "during a backward pass": (torch.Tensor, "backward", 4, True),
    "between step and count": (training.Run, "update", 5, True),
    "before validating": (training.Run, "validate", 1, False),
    "after validating": (training.Run, "validate", 2, True),
    "before writing": (storage, "_write", 1, False),
    "after writing": (storage, "_write", 1, True),
    "before the first batch": (Copy, "sample", 0, False),
    "after the last batch": (training.Run, "keep_best", 0, False),
}


class TestResume:
    @pytest.mark.parametrize(
        ("moment", "way"),
        [
            *((moment, WAYS[1]) for moment in MOMENTS),
            *(("before a step", way) for way in [*WAYS, {"hold_at": 1e6, "settle_at": 1e6}]),
        ],
        ids=str,
    )
    def test_an_interrupted_run_ends_as_an_uninterrupted_one(
        self, moment: str, way: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = small()
        expected = curve(train(whole, COPY, **RUN | way))
        owner, name, at, after = MOMENTS[moment]
        run = RUN | way | {"checkpoint": tmp_path / "run.checkpoint"}
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, interrupt(getattr(owner, name), at, after))
            with pytest.raises(Interrupted):
                train(small(), COPY, **run)
        resumed = small()
        if run["checkpoint"].exists():  # it does not matter from where this one starts
            nn.init.ones_(resumed.output.weight)
        history = train(resumed, COPY, **run)
        assert curve(history) == expected
        assert identical(weights(resumed), weights(whole))

    def test_with_a_callback_of_the_readers(self, tmp_path: Path) -> None:
        whole, resumed = small(), small()
        train(whole, COPY, **RUN, callbacks=[Counter()])

        def stop(history: History) -> None:
            raise Interrupted

        run = RUN | {"checkpoint": tmp_path / "run.checkpoint"}
        with pytest.raises(Interrupted):
            train(small(), COPY, **run, callbacks=[Counter()], on_validation=stop)
        train(resumed, COPY, **run, callbacks=[counter := Counter()])
        assert counter.steps == 8
        assert identical(weights(resumed), weights(whole))

    def test_interrupted_at_every_validation(self, tmp_path: Path) -> None:
        whole = small()
        expected = curve(train(whole, COPY, **RUN))

        def stop(history: History) -> None:
            raise Interrupted

        run = RUN | {"checkpoint": tmp_path / "run.checkpoint"}
        for _ in expected["sequences"]:
            with pytest.raises(Interrupted):
                train(small(), COPY, **run, on_validation=stop)
        resumed = small()
        history = train(resumed, COPY, **run, on_validation=stop)
        assert curve(history) == expected
        assert history.seconds == sorted(history.seconds)
        assert identical(weights(resumed), weights(whole))

    @pytest.mark.parametrize(
        "tasks",
        [
            ["repeat-copy-ticks"],
            pytest.param([name for name in ALL_TASKS if name != "repeat-copy-ticks"],
                         marks=pytest.mark.slow),
        ],
        ids=["repeat copy in ticks", "the other tasks"],
    )  # fmt: skip
    def test_every_recipe_killed_after_each_of_its_first_validations(
        self, tasks: list[str]
    ) -> None:
        """Made small, by SIGKILL, each recipe four times: they end as unbroken, bit for bit."""
        done = subprocess.run(
            [sys.executable, "tools/kills.py", "--tasks", *tasks],
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        plans = [*ALL_RECIPES.values(), *LIVES.values()]
        kills = 4 * sum(plan.task in tasks for plan in plans)
        assert f"{kills} kills, {kills} ended bit for bit as unbroken" in done.stdout

    def test_a_finished_run_is_not_run_again(self, tmp_path: Path) -> None:
        run = RUN | {"checkpoint": tmp_path / "run.checkpoint"}
        first, again = small(), small()
        history = train(first, COPY, **run)
        assert train(again, COPY, **run) == history
        assert identical(weights(first), weights(again))

    @pytest.mark.parametrize(
        "change",
        [{"seed": 6}, {"sequences": 61}, {"learning_rate": 1e-3}, {"optimizer": "rmsprop"},
         {"average": 0.9}, {"mixed": False}, {"validation_difficulty": {"length": 3}}],
        ids=str,
    )  # fmt: skip
    def test_a_checkpoint_of_other_settings_is_refused(
        self, change: dict[str, Any], tmp_path: Path
    ) -> None:
        run = RUN | {"checkpoint": tmp_path / "run.checkpoint"}
        train(small(), COPY, **run)
        model = small()
        before = weights(model)
        with pytest.raises(
            ValueError, match=f"^checkpoint: it was made with {next(iter(change))}="
        ):
            train(model, COPY, **run | change)
        assert identical(weights(model), before)

    def test_a_checkpoint_of_another_model_or_task_is_refused(self, tmp_path: Path) -> None:
        run = RUN | {"checkpoint": tmp_path / "run.checkpoint"}
        train(small(), COPY, **run)
        for model in (small("feedforward"), NTM(9, 8), LSTMBaseline(9, 8)):
            before = weights(model)
            with pytest.raises(ValueError, match=r"^checkpoint: it was made with network="):
                train(model, COPY, **run)
            assert identical(weights(model), before)
        with pytest.raises(
            ValueError, match=r"^checkpoint: it was made with task='copy', not 'rep"
        ):
            train(NTM(10, 9), TASKS["repeat-copy"], **run)

    def test_a_damaged_checkpoint_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "run.checkpoint"
        train(small(), COPY, **RUN, checkpoint=file)
        file.write_bytes(file.read_bytes()[:-1])
        with pytest.raises(ValueError, match=r"^path: run.checkpoint is damaged"):
            train(small(), COPY, **RUN, checkpoint=file)

    def test_two_trainings_do_not_write_to_one_checkpoint(self, tmp_path: Path) -> None:
        file = tmp_path / "run.checkpoint"
        touched = train(small(), COPY, **RUN, checkpoint=file, on_validation=lambda _: file.touch())
        file.unlink()
        expected = curve(touched)

        def another(history: History) -> None:
            train(small(), COPY, **RUN, checkpoint=file)

        with pytest.raises(ValueError, match=r"^checkpoint: another training writes to"):
            train(small(), COPY, **RUN, checkpoint=file, on_validation=another)
        assert curve(train(small(), COPY, **RUN, checkpoint=file)) == expected

    def test_a_checkpoint_that_lacks_something_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "run.checkpoint"
        train(small(), COPY, **RUN, checkpoint=file)
        tensors, about = storage.load(file)
        del tensors["generator"]
        storage.save(file, tensors, about)
        with pytest.raises(ValueError, match=r"^checkpoint: it does not fit this run"):
            train(small(), COPY, **RUN, checkpoint=file)


def test_a_model_that_says_nan_scores_nan() -> None:
    model = small()
    model.output.bias.data.fill_(math.nan)
    assert all(map(math.isnan, training.score(model, COPY.sample(2, length=3))))


class Explosive(nn.Module):
    """A model whose gradient stops being finite in a chosen batch."""

    def __init__(self, at: int, gradient: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.5, 1.0]))
        self.at, self.gradient, self.batches = at, gradient, 0

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        logits = (inputs[..., :8] - self.weight.sum()) * self.weight[0]
        if torch.is_grad_enabled():
            self.batches += 1
            if self.batches == self.at:
                logits.register_hook(lambda gradient: gradient * self.gradient)
        return logits, None


class TestFiniteNumbers:
    @pytest.mark.parametrize("gradient", [math.nan, math.inf])
    @pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
    def test_a_gradient_that_is_not_stops_training_before_the_step(
        self, gradient: float, optimizer: str
    ) -> None:
        before = Explosive(at=99, gradient=gradient)
        kept: list[dict[str, Tensor]] = []
        train(before, COPY, **RUN | {"sequences": 32, "validate_every": 8}, optimizer=optimizer,
              on_validation=lambda _: kept.append(weights(before)))  # fmt: skip
        model = Explosive(at=5, gradient=gradient)
        message = "^the gradient is not finite after 32 sequences; .* before this step"
        with pytest.raises(FloatingPointError, match=message):
            train(model, COPY, **RUN, optimizer=optimizer)
        assert all(tensor.isfinite().all() for tensor in weights(model).values())
        assert identical(weights(model), kept[3])

    def test_under_noise_a_batch_is_skipped(self) -> None:
        """The next noise will do; what was learned before is kept."""
        noise = {"harden_after": 0, "weight_noise": 1e-9}
        model, calm = (Explosive(at=at, gradient=math.nan) for at in (5, 99))
        history = train(model, COPY, **RUN | noise)
        assert model.batches == 8
        assert np.isfinite(history.training_bits).all()
        train(calm, COPY, **RUN | noise)
        assert not identical(weights(model), weights(calm))

    def test_under_noise_patience_ends(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(training, "PATIENCE", 3)
        model = Explosive(at=0, gradient=math.nan)
        plain = Explosive.forward

        def forward(self: Explosive, inputs: Tensor) -> tuple[Tensor, None]:
            self.at = self.batches + 1  # every batch from now on
            return plain(self, inputs)

        monkeypatch.setattr(Explosive, "forward", forward)
        hopeless = RUN | {"harden_after": 0, "weight_noise": 1e-9, "validate_every": 8}
        with pytest.raises(FloatingPointError, match="after 16 sequences"):
            train(model, COPY, **hopeless)
        assert model.batches == 3

        def stop(history: History) -> None:
            raise Interrupted

        run = hopeless | {"checkpoint": tmp_path / "run.checkpoint"}
        with pytest.raises(Interrupted):
            train(model, COPY, **run, on_validation=stop)
        with pytest.raises(FloatingPointError, match="after 16 sequences"):
            train(model, COPY, **run)
        assert model.batches == 6, "a resumed run has no more patience than an unbroken one"


class Watched(Copy):
    """Copy, noting what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def sample(self, batch_size: int, **keywords: Any) -> Episode:
        self.seed = keywords["generator"].initial_seed()
        episode = super().sample(batch_size, **keywords)
        self.asked.append((self.seed, (len(episode.inputs) - 1) // 2))
        return episode


@pytest.mark.parametrize("mixed", [True, False])
@pytest.mark.parametrize("seed", [0, SEEDS - 1])
def test_only_the_training_range_and_seeds_of_its_own_are_used(mixed: bool, seed: int) -> None:
    task = Watched()
    model = LSTMBaseline(9, 8, hidden_size=4, layers=1)
    train(model, task, **RUN | {"sequences": 300, "seed": seed, "mixed": mixed})
    assert {seed for seed, _ in task.asked} == {seed, SEEDS + seed}
    assert {longest for _, longest in task.asked} <= set(range(1, 21))
    if not mixed:
        assert len({longest for found, longest in task.asked if found == seed}) > 10


def test_a_ramp_lets_sequences_grow() -> None:
    task, model = Watched(), LSTMBaseline(9, 8, hidden_size=4, layers=1)
    train(model, task, **RUN | {"sequences": 800, "ramp": 400})
    longest = [longest for found, longest in task.asked if found == RUN["seed"]]
    assert max(longest[:2]) <= 5, "the first batches hold the easiest fifth"
    assert max(longest[:25]) < 14
    assert max(longest[50:]) == 20
    assert max(longest for found, longest in task.asked if found != RUN["seed"]) > 14


def test_validation_uses_the_difficulty_asked_for() -> None:
    task = Watched()
    history = train(small(), task, **RUN, validation_difficulty={"length": 3})
    assert {longest for seed, longest in task.asked if seed == SEEDS + 5} == {3}
    assert all(bits < 3 * 8 * 2 for bits in history.validation_bits)


def test_half_of_an_even_validation_sees_every_cell() -> None:
    task = TASKS["repeat-copy"]
    for sequences, cells in ((200, 100), (60, 30)):
        episode = Validation(sequences=sequences, even=True).episode(task, 3)
        asked = episode.mask.sum(0)[: sequences // 2]
        assert len(asked) == cells
        assert (int(asked.min()), int(asked.max())) == (2, 101)
        other = Validation(sequences=sequences, even=True).episode(task, 3)
        assert episode.inputs.equal(other.inputs)
    fixed = Validation(sequences=6, even=True, difficulty={"length": 3}).episode(COPY, 3)
    assert fixed.mask.sum() == 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_models_of_other_types_train(dtype: torch.dtype, tmp_path: Path) -> None:
    model = LSTMBaseline(9, 8, hidden_size=4, layers=1).to(dtype)
    run = RUN | {"optimizer": "rmsprop", "checkpoint": tmp_path / "run.checkpoint"}
    history = train(model, COPY, **run, average=0.5)
    assert all(math.isfinite(bits) for bits in history.validation_bits)
    assert {weight.dtype for weight in model.parameters()} == {dtype}
    again = LSTMBaseline(9, 8, hidden_size=4, layers=1).to(dtype)
    assert curve(train(again, COPY, **run, average=0.5)) == curve(history)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", ["feedforward", "lstm", "baseline"])
def test_a_cuda_device_trains_as_the_processor_does(kind: str, tmp_path: Path) -> None:
    """And checkpoints move between the two, both ways."""

    def start() -> nn.Module:
        torch.manual_seed(0)
        return LSTMBaseline(9, 8, hidden_size=8, layers=2) if kind == "baseline" else small(kind)

    def stop(history: History) -> None:
        raise Interrupted

    run = RUN | {"average": 0.9, "harden_after": 16, "weight_noise": 0.01}
    there = start()
    expected = curve(train(there, COPY, **run))
    for name, ways in {"cuda": ["cuda"], "to": ["cpu", "cuda"], "fro": ["cuda", "cpu"]}.items():
        for device in ways[:-1]:
            with pytest.raises(Interrupted):
                train(start().to(device), COPY, **run, checkpoint=tmp_path / name,
                      on_validation=stop)  # fmt: skip
        model = start().to(ways[-1])
        found = curve(train(model, COPY, **run, checkpoint=tmp_path / name))
        for part, values in expected.items():
            assert found[part] == pytest.approx(values, rel=1e-3)
        for one, other in zip(model.parameters(), there.parameters(), strict=True):
            torch.testing.assert_close(one.cpu(), other, rtol=1e-2, atol=1e-3)


def test_validation_lets_dropout_rest() -> None:
    class Dropping(LSTMBaseline):
        def forward(self, inputs: Tensor, state: Any = None) -> Any:
            seen.append(self.training)
            return super().forward(inputs, state)

    seen: list[bool] = []
    train(Dropping(9, 8, hidden_size=4, layers=1).eval(), COPY, **RUN)
    assert seen == [True, True, False] * 3 + [True, True, False]


class TestProgress:
    def test_silence(self, capfd: pytest.CaptureFixture[str]) -> None:
        train(small(), COPY, **RUN)
        assert capfd.readouterr() == ("", "")

    def test_a_bar(self, capfd: pytest.CaptureFixture[str]) -> None:
        train(small(), COPY, **RUN | {"progress": True})
        printed = capfd.readouterr()
        assert printed.out == ""
        assert "60/60" in printed.err
        assert "bits per sequence" in printed.err


WRONG: dict[tuple[str, ...], tuple[str, tuple[Any, ...]]] = {
    ("sequences", "rounds", "batch_size", "validate_every", "validation_sequences"): (
        "a whole number of at least 1", (0, -5, 2.5, "8", True, None)),
    ("ramp", "harden_after"): ("a whole number of at least 0", (-1, 0.5, "1", False)),
    ("learning_rate", "epsilon"): (
        "a positive number", (0, -1e-3, math.nan, math.inf, "1", None, True)),
    ("clip_value", "clip_norm"): ("a positive number", (0, -1e-3, math.nan, "1", None, True)),
    ("decay",): ("a number from 0 to 1", (-0.1, 1.1, math.nan, "1", True)),
    ("average", "momentum", "smoothing"): (
        "0 or more and below 1", (-0.1, 1.0, math.nan, "1", None, True)),
    ("weight_noise",): ("a number of at least 0", (-1, "1", math.inf, True)),
    ("hold_at", "settle_at", "stop_at"): ("a number or None", ("1", math.nan, True)),
    ("mixed", "validation_even"): ("True or False", ("no", 0, None)),
    ("optimizer",): (r"one of \('adam', 'rmsprop'\)", ("sgd", None)),
    ("memory_sizes",): ("a list of whole numbers", (5, "5")),
    ("validation_difficulty",): ("a dict such as", (5, "length", [20])),
    ("seed",): ("a whole number from 0 to", (-1, SEEDS, 0.5, True)),
}  # fmt: skip


@pytest.mark.bad_input
class TestBadInput:
    def test_settings(self) -> None:
        for names, (message, values) in WRONG.items():
            for name, value in itertools.product(names, values):
                refusal = f"^{name}: expected .*{message}.* got {re.escape(repr(value))}$"
                with pytest.raises(ValueError, match=refusal):
                    train(small(), COPY, **RUN | {name: value})

    @pytest.mark.parametrize("name", ["batch_size", "validation_sequences", "rounds"])
    def test_a_slip_of_some_zeros(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"^{name}: expected at most .*, got 10,000,000,000$"):
            train(small(), COPY, **RUN | {name: 10**10})

    def test_a_setting_that_there_is_not(self) -> None:
        with pytest.raises(TypeError, match=r"^no setting is called 'epsilonn'; expected one of"):
            train(small(), COPY, **RUN, epsilonn=1e-8)

    @pytest.mark.parametrize("name", ["compile", "progress"])
    def test_a_word_is_no_yes(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"^{name}: expected True or False, got 'no'"):
            train(small(), COPY, **RUN | {name: "no"})

    def test_nothing_to_train(self) -> None:
        for model in (small().requires_grad_(False), nn.Identity()):
            with pytest.raises(ValueError, match=r"^model: expected weights to train, got none"):
                train(model, COPY, **RUN)

    def test_no_gradients(self) -> None:
        with torch.no_grad(), pytest.raises(ValueError, match=r"^train: expected gradients"):
            train(small(), COPY, **RUN)

    def test_logits_of_another_size(self) -> None:
        with pytest.raises(ValueError, match=r"logits: expected shape"):
            train(LSTMBaseline(9, 5, hidden_size=4), COPY, **RUN)

    def test_a_folder_that_cannot_be_is_found_before_training(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        model = small()
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(OSError, match="cannot be written"):
            train(model, COPY, **RUN, checkpoint=tmp_path / "file" / "checkpoint")
        assert all(value.equal(before[name]) for name, value in model.state_dict().items())

    def test_no_validation_was_finite(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(training, "score", lambda *_: (math.nan, math.nan))
        with pytest.warns(UserWarning, match="no validation was finite"):
            train(small(), COPY, **RUN)

    def test_callbacks_of_one_kind(self) -> None:
        with pytest.raises(
            ValueError, match=r"^callbacks: expected one of each name, .* got \['Av"
        ):
            train(small(), COPY, **RUN, callbacks=[Average(0.9), Average(0.5)])

    def test_a_callback_with_the_name_of_a_checkpoints_part(self) -> None:
        best = Counter()
        best.name = "best"
        with pytest.raises(ValueError, match=r"^callbacks: .* none of .* got \['best'\]"):
            train(small(), COPY, **RUN, callbacks=[best])

    @pytest.mark.parametrize("mask", [torch.zeros(9).bool(), torch.ones(1).bool(), torch.ones(9)])
    def test_a_task_whose_mask_is_none(self, mask: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
        episode = Episode(torch.zeros(9, 2, 9), torch.zeros(9, 2, 8), mask)
        monkeypatch.setattr(COPY, "sample", lambda *arguments, **names: episode)
        with pytest.raises(ValueError, match=r"^episode: expected (a mask of bools|targets of 0)"):
            train(small(), COPY, **RUN)

    def test_a_checkpoint_where_no_file_can_be(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"^path: expected a file"):
            train(small(), COPY, **RUN, checkpoint=tmp_path)

    @pytest.mark.parametrize("length", [0, 21, 120])
    def test_validation_outside_the_training_range(self, length: int) -> None:
        with pytest.raises(ValueError, match=f"^validation_difficulty: .*1 to 20, got {length}$"):
            train(small(), TASKS["copy"], **RUN, validation_difficulty={"length": length})

    def test_validation_with_an_unknown_difficulty(self) -> None:
        with pytest.raises(
            ValueError, match=r"^validation_difficulty: .*\['length'\], got 'items'"
        ):
            train(small(), COPY, **RUN, validation_difficulty={"items": 3})

    def test_memory_sizes_that_do_not_fit(self) -> None:
        for sizes in ([5, 11], [2]):  # more than there are; fewer than a shift reaches
            with pytest.raises(
                ValueError, match=rf"^memory_locations: .* 3 to 10, got {sizes[-1]}"
            ):
                train(small(), COPY, **RUN, memory_sizes=sizes)
        with pytest.raises(ValueError, match=r"^memory_sizes: only an NTM has a memory"):
            train(LSTMBaseline(9, 8, hidden_size=4), COPY, **RUN, memory_sizes=[5])

    def test_a_model_for_another_task(self) -> None:
        with pytest.raises(ValueError, match=r"^inputs: expected shape \(T, B, 9\), got"):
            train(small(), TASKS["repeat-copy"], **RUN)
