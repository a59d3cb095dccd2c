"""One wrong argument: a sentence that names it, never a hang, a NaN or an error from within."""

import copy
import math
import re
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from ntm_tutorial import (
    NTM,
    TASKS,
    LSTMBaseline,
    addressing,
    analysis,
    evaluation,
    memory,
    plots,
    pretrained,
    storage,
)
from ntm_tutorial.heads import Heads
from ntm_tutorial.lab import results, sweeps
from ntm_tutorial.models import DNC, FastWeights, Transformer, dnc, fast_weights
from ntm_tutorial.recipes import recipe
from ntm_tutorial.tasks import ALL_TASKS, dynamic_ngrams, priority_sort
from ntm_tutorial.training import History, train

SECONDS = 30
"""After so much of the processor's time a call hangs."""


class Call(NamedTuple):
    """A function, and arguments with which it works."""

    function: Callable[..., Any]
    arguments: dict[str, Any]


def weights(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)).softmax(-1)


def numbers(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


@cache
def calls() -> dict[str, Call]:
    """Return a call of every kind of public function, by name."""
    torch.manual_seed(0)
    ntm = NTM(9, 8, controller_size=6, memory_locations=5, memory_width=4)
    lstm = LSTMBaseline(9, 8, hidden_size=4, layers=1)
    other = LSTMBaseline(10, 9, hidden_size=4, layers=1)
    copying, repeat, recall, ngrams, sort = TASKS.values()
    episode = copying.sample(2, length=3)
    logits = torch.zeros_like(episode.targets)
    generator = torch.Generator()
    history = History([2, 4], [9.0, 8.0], [9.0, 1.0], [3.0, 1.0], [0.1, 0.2])
    traced = ntm.trace(episode.inputs)[1]
    found = evaluation.evaluate(lstm, copying, sequences=2, length=3)
    small: dict[str, Any] = {"controller_size": 6, "memory_locations": 5, "memory_width": 4}
    table = [
        Call(addressing.cosine_similarity, {"memory": numbers(2, 5, 4), "key": numbers(2, 1, 4)}),
        Call(addressing.content_weighting, {
            "memory": numbers(2, 5, 4), "key": numbers(2, 1, 4), "key_strength": numbers(2, 1, 1),
        }),
        Call(addressing.interpolate, {
            "content": weights(2, 1, 5), "previous": weights(2, 1, 5), "gate": numbers(2, 1, 1),
        }),
        Call(addressing.shift, {
            "weighting": weights(2, 1, 5), "shift_weighting": weights(2, 1, 3),
        }),
        Call(addressing.sharpen, {
            "weighting": weights(2, 1, 5), "sharpening": 1 + numbers(2, 1, 1),
        }),
        Call(memory.read, {"memory": numbers(2, 5, 4), "weighting": weights(2, 1, 5)}),
        Call(memory.erase, {
            "memory": numbers(2, 5, 4), "weighting": weights(2, 1, 5),
            "erase_vector": numbers(2, 1, 4),
        }),
        Call(memory.add, {
            "memory": numbers(2, 5, 4), "weighting": weights(2, 1, 5),
            "add_vector": numbers(2, 1, 4),
        }),
        Call(Heads, {
            "controller_size": 6, "read_heads": 1, "write_heads": 1, "memory_width": 4,
            "shift_range": 1,
        }),
        Call(NTM, {
            "input_size": 9, "output_size": 8, "controller": "lstm", "controller_layers": 1,
            "read_heads": 1, "write_heads": 1, "shift_range": 1, **small,
        }),
        Call(ntm.forward, {"inputs": episode.inputs, "state": ntm.initial_state(2)}),
        Call(ntm.trace, {"inputs": episode.inputs}),
        Call(ntm.step, {"x": episode.inputs[0], "state": ntm.initial_state(2)}),
        Call(ntm.initial_state, {"batch_size": 2}),
        Call(LSTMBaseline, {"input_size": 9, "output_size": 8, "hidden_size": 4, "layers": 1}),
        Call(lstm.forward, {"inputs": episode.inputs, "state": lstm.initial_state(2)}),
        Call(lstm.step, {"x": episode.inputs[0], "state": lstm.initial_state(2)}),
        Call(lstm.initial_state, {"batch_size": 2}),
        Call(copying.sample, {"batch_size": 2, "generator": generator, "length": 3}),
        Call(repeat.sample, {"batch_size": 2, "length": 3, "repeats": 2}),
        Call(recall.sample, {"batch_size": 2, "items": 3}),
        Call(ngrams.sample, {"batch_size": 2, "length": 9}),
        Call(sort.sample, {"batch_size": 2, "items": 5, "answers": 3}),
        Call(copying.draw, {"batch_size": 2, "generator": generator, "share": 0.5}),
        Call(dynamic_ngrams.optimal_predictions, {"bits": (numbers(9, 2) > 0.5).float()}),
        Call(dynamic_ngrams.counts, {"bits": (numbers(9, 2) > 0.5).float()}),
        Call(priority_sort.arrange, {
            "vectors": (numbers(5, 2, 8) > 0.5).float(), "priorities": numbers(5, 2), "answers": 3,
        }),
        Call(analysis.mistakes, {
            "logits": torch.zeros(10, 2, 9), "episode": repeat.sample(2, length=2, repeats=3),
        }),
        Call(evaluation.bits_per_sequence, {"logits": logits, "episode": episode}),
        Call(evaluation.wrong_bits, {"logits": logits, "episode": episode}),
        Call(evaluation.divergence, {"logits": logits, "probabilities": numbers(*logits.shape)}),
        Call(evaluation.evaluate, {
            "model": lstm, "task": copying, "sequences": 2, "seed": 0, "batch_size": 2, "length": 3,
        }),
        Call(evaluation.sweep, {
            "model": lstm, "task": copying, "name": "length", "values": (1, 2), "sequences": 2,
        }),
        Call(evaluation.testing_seed, {"seed": 0}),
        Call(recipe, {"task_name": "copy", "model_name": "lstm"}),
        Call(recipe("copy", "ntm-lstm").build, {"seed": 0}),
        Call(pretrained.load, {"task_name": "copy", "model_name": "ntm-lstm"}),
        Call(train, {
            "model": lstm, "task": copying, "sequences": 4, "batch_size": 2, "learning_rate": 1e-3,
            "seed": 0, "validate_every": 2, "validation_sequences": 2, "progress": False,
        }),
        Call(sweeps.runs, {"task_name": "copy", "model_name": "lstm", "seeds": [0]}),
        Call(results.spread, {"values": [1.0, 2.0]}),
        Call(plots.sequence, {"rows": {"a": numbers(5, 3)}}),
        Call(plots.episode, {
            "episode": episode, "outputs": numbers(*episode.targets.shape), "index": 1,
        }),
        Call(plots.targets_and_outputs, {
            "cases": [("case", numbers(5, 8), numbers(5, 8))], "title": "x", "marks": "wrong",
        }),
        Call(plots.learning_curves, {
            "histories": {"lstm": history}, "goal": 0.1,
        }),
        Call(plots.by_difficulty, {
            "results": {"lstm": {1: found, 2: found}}, "name": "length", "trained_to": 20,
        }),
        Call(plots.strips, {"panels": {"copy": {"lstm": [1.0, 2.0]}}, "label": "x", "floor": 0.1}),
        Call(plots.recall_steps, {"table": numbers(2, 8), "label": "x"}),
        Call(plots.timeline, {"panels": [("a", numbers(5, 3))], "step": 1}),
        Call(plots.matrices, {"values": {"a": numbers(3, 4)}, "weightings": ["a"]}),
        Call(plots.weighting_bars, {"weightings": {"a": weights(5)}, "mark": 2}),
        Call(plots.memory_use, {
            "episode": episode, "logits": logits, "trace": traced, "index": 1, "head": 0,
        }),
        Call(plots.instructions, {"trace": traced, "index": 0, "marks": [1]}),
        Call(plots.sorting, {"episode": sort.sample(2, items=5, answers=3), "index": 0}),
        Call(plots.fitted_locations, {
            "fitted": numbers(5), "write": weights(5, 6), "read": weights(3, 6),
        }),
        Call(plots.along, {"values": {"a": numbers(9, 3)}, "window": 2, "first": 1}),
        Call(plots.visits, {
            "strips": {"a": numbers(9)}, "panels": {"b": numbers(9, 2)}, "marks": {"b": {"c": [1]}},
        }),
        Call(plots.curve_panels, {"panels": {"copy": {"lstm": history}}}),
        Call(plots.difficulty_maps, {"results": {"lstm": {(1, 2): found}}, "trained_to": (1, 2)}),
        Call(analysis.phase, {"step": 2, "items": 3}),
        Call(analysis.last_written, {"memory": numbers(3, 2, 5, 4)}),
        Call(analysis.fit_heads, {"weighting": weights(6, 2, 1, 9), "x": numbers(6, 2)}),
        Call(analysis.fit_writes, {
            "weighting": weights(6, 2, 1, 9), "priorities": numbers(5, 2),
        }),
        Call(evaluation.grid, {
            "model": other, "task": repeat, "rows": ("length", [1]), "columns": ("repeats", [2]),
            "sequences": 2, "seed": 0,
        }),
        Call(pretrained.load_file, {"file": pretrained.path(recipe("copy", "ntm-lstm"))}),
        Call(storage.load, {"path": pretrained.path(recipe("copy", "ntm-lstm"))}),
        Call(history.reached, {"bits": 3.0}),
        Call(history.lowest, {"after": 0}),
        Call(history.sustained, {"bits": 3.0, "sequences": 2}),
        Call(history.relapses, {"bits": 3.0, "above": 4.0}),
        Call(episode.one, {"name": "length"}),
        *calls_of_successors(),
    ]  # fmt: skip
    return {
        f"{getattr(call.function, '__qualname__', call.function)} {place}": call
        for place, call in enumerate(table)
    }


def calls_of_successors() -> list[Call]:
    """Return calls of what is younger than the paper: three families, and tasks of ours."""
    copying, fed = TASKS["copy"].sample(2, length=3), ALL_TASKS["copy-fed"]
    sizes: dict[str, Any] = {"controller_size": 6, "memory_locations": 5, "memory_width": 4}
    machine = DNC(9, 8, **sizes)
    families: list[Any] = [machine, Transformer(9, 8, layers=1, heads=1), FastWeights(9, 8)]
    repairs = {"masked": True, "deallocate": True, "sharp": True}
    table = [
        Call(DNC, {"input_size": 9, "output_size": 8, "controller": "lstm", **sizes, **repairs}),
        Call(machine.at, {"memory_locations": 9}),
        Call(dnc.use, {
            "usage": numbers(2, 5), "write_weighting": weights(2, 1, 5),
            "read_weighting": weights(2, 1, 5), "free_gate": numbers(2, 1, 1),
        }),
        Call(dnc.allocate, {"usage": numbers(2, 5)}),
        Call(dnc.link_step, {
            "link": torch.zeros(2, 5, 5), "precedence": weights(2, 1, 5),
            "write_weighting": weights(2, 1, 5),
        }),
        Call(dnc.look_up, {
            "memory": numbers(2, 5, 4), "key": numbers(2, 1, 4), "strength": numbers(2, 1, 1),
            "mask": numbers(2, 1, 4),
        }),
        Call(fast_weights.write, {
            "memory": numbers(4, 3), "key": numbers(4), "add": numbers(3), "alpha": numbers(1),
            "beta": numbers(1),
        }),
        Call(fast_weights.read, {"memory": numbers(4, 3), "query": numbers(4)}),
        Call(ALL_TASKS["rebinding"].sample, {"batch_size": 2, "items": 3, "bindings": 2}),
        Call(ALL_TASKS["repeat-copy-ticks"].sample, {"batch_size": 2, "length": 3, "repeats": 2}),
        Call(fed.sample, {"batch_size": 2, "length": 3}),
        Call(evaluation.free_run, {
            "model": LSTMBaseline(17, 8, hidden_size=4, layers=1),
            "episode": fed.sample(2, length=3), "heard": slice(9, 17),
        }),
    ]  # fmt: skip
    for model in families:
        table += [
            Call(model.forward, {"inputs": copying.inputs, "state": model.initial_state(2)}),
            Call(model.step, {"x": copying.inputs[0], "state": model.initial_state(2)}),
            Call(model.trace, {"inputs": copying.inputs}),
            Call(model.initial_state, {"batch_size": 2}),
        ]
    return table + [Call(type(one), dict(one.settings)) for one in families[1:]]


TENSORS: dict[str, Callable[[Tensor], Tensor]] = {
    "one row fewer": lambda x: x[:-1],
    "one column fewer": lambda x: x[..., :-1],
    "a dimension more": lambda x: x[None],
    "a dimension fewer": lambda x: x[0] if x.dim() else x[None],
    "whole numbers": lambda x: x.long(),
    "another precision": lambda x: x.half(),
    "complex numbers": lambda x: x.to(torch.complex64),
    "truth values": lambda x: x > 0.5,
    "elsewhere": lambda x: x.to("meta"),
    "empty": lambda x: x[..., :0],
    "transposed": lambda x: x.transpose(0, -1),
    "scaled": lambda x: x * 1e4,
    "below zero": lambda x: -x - 1,
    "zeros": torch.zeros_like,
}
NUMBERS: list[Any] = [
    -1, 0, 1, 3, 1.5, -0.5, 1e-30, True, math.nan, math.inf, -math.inf, np.int8(2), np.float32(0.5),
    10**300, -(10**9),
]  # fmt: skip
OTHERS: list[Any] = [
    None, "", "x", b"x", [], [1], (1, 2), {}, {"a": 1}, object(), torch.ones(2, 3), np.ones(3),
    int, lambda: None,
]  # fmt: skip


def wrong_values(value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return values of the right kind that may be wrong, and values of other kinds."""
    tensors: dict[str, Any] = {}
    if isinstance(value, Tensor):
        tensors = {name: change(value) for name, change in TENSORS.items() if value.dim()}
    plain = {repr(one)[:30]: one for one in NUMBERS}
    others = {re.sub(" at 0x.*", "", repr(one))[:30]: one for one in OTHERS}
    if isinstance(value, Tensor):
        return tensors, plain | others
    if isinstance(value, int | float) and not isinstance(value, bool):
        return plain, others
    if isinstance(value, str):
        return {"''": "", "'x'": "x", "long": "x" * 1000}, plain | others
    return {}, plain | others


@contextmanager
def no_hang() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors_in(part)


def is_finite(values: Any) -> bool:
    return all(
        bool(one.isfinite().all()) for one in tensors_in(values) if one.device.type != "meta"
    )


def outcome(call: Call, name: str, value: Any) -> str:
    """Tell what comes of a call with one argument changed."""
    given_now = call.arguments | {name: value}
    if call.function is train:  # it changes its model
        given_now = copy.deepcopy(given_now)
    torch.manual_seed(0)
    try:
        with no_hang(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = call.function(**given_now)
    except (ValueError, TypeError, FileNotFoundError) as error:
        told = names(str(error), name, [*call.arguments])
        return "told" if told else f"unclear {type(error).__name__}: {error}"
    except TimeoutError:
        return "hang"
    except FloatingPointError:  # a training that blows up says so
        return "told"
    except Exception as error:
        return f"internal {type(error).__name__}: {error}"
    finally:
        plt.close("all")
    return "NaN" if is_finite([*given_now.values()]) and not is_finite(answer) else "answered"


def names(sentence: str, argument: str, others: list[str]) -> bool:
    """Tell whether an error is about an argument, or about one that no longer fits it."""
    about = sentence.partition(":")[0]
    return re.search(rf"\b{argument.rstrip('s')}", sentence) is not None or about in others


Case = tuple[str, str, str, Any]


@cache
def cases(kind: int) -> list[Case]:
    """List every wrong value of the right kind (0) or of another (1): call, argument, label."""
    return [
        (title, name, label, wrong)
        for title, call in calls().items()
        for name, value in call.arguments.items()
        for label, wrong in wrong_values(value)[kind].items()
        if (title.split()[0], name, label) != ("sharpen", "weighting", "below zero")  # no weighting
    ]


def try_case(case: Case) -> str:
    title, name, _, wrong = case
    return outcome(calls()[title], name, wrong)


@pytest.mark.bad_input
def test_the_calls_are_valid() -> None:
    for title, call in calls().items():
        if call.function is not train:
            call.function(**call.arguments)
        assert call.arguments, title


@pytest.mark.bad_input
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_wrong_value_is_told_by_its_argument(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(cases(0)))
    found = try_case(case)
    assert found in ("told", "answered"), f"{case[0]}({case[1]}={case[2]}): {found}"


@pytest.mark.bad_input
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_value_of_another_kind_is_told_by_its_argument(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(cases(1)))
    found = try_case(case)
    assert found in ("told", "answered"), f"{case[0]}({case[1]}={case[2]}): {found}"
