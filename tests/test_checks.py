"""Bad input is refused in clear words; numbers of every kind are taken for what they are."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ntm_tutorial import NTM, LSTMBaseline, pretrained, speed
from ntm_tutorial.addressing import cosine_similarity
from ntm_tutorial.checks import check_number, telling, whole
from ntm_tutorial.recipes import RECIPES
from tests.each import each

pytestmark = pytest.mark.bad_input
SIZES: dict[str, Any] = {"controller_size": 5, "memory_locations": 8, "memory_width": 3}
B, I, O = 3, 4, 2  # noqa: E741


def machine(controller: str = "lstm", **changes: Any) -> NTM:
    torch.manual_seed(0)
    return NTM(I, O, controller=controller, **SIZES | changes)


class TestWholeNumbers:
    def test_many_layers_do_not_hang(self) -> None:
        for build in (lambda: LSTMBaseline(I, O, layers=10**9),
                      lambda: machine(controller_layers=10**9)):  # fmt: skip
            with pytest.raises(ValueError, match=r"layers: expected .* from 1 to 1000, got 10{9}$"):
                build()

    @each("kind", [int, np.int64, np.uint8, torch.tensor, np.array])
    def test_every_kind_is_taken(self, kind: Any) -> None:
        number = whole("size", kind(7))
        assert number == 7 and type(number) is int
        model = NTM(kind(4), kind(2), memory_locations=kind(8), shift_range=kind(1))
        assert all(type(size) in (int, str, bool, float) for size in model.settings.values())
        assert model.initial_state(kind(3), kind(5)).memory.shape == (3, 5, 20)
        assert LSTMBaseline(kind(4), kind(2)).initial_state(kind(3))[0].shape == (3, 3, 256)

    @each("value", [True, np.True_, torch.tensor(True), 2.0, np.float32(2), torch.tensor(2.0),
                    torch.tensor([2]), "2", b"2", None, [2], 2j, object])  # fmt: skip
    def test_what_is_none_is_refused(self, value: Any) -> None:
        with pytest.raises(ValueError, match=r"^size: expected a whole number of at least 1, got"):
            whole("size", value)

    def test_a_range(self) -> None:
        assert whole("size", 0, 0, 3) == 0 and whole("size", -5, None) == -5
        with pytest.raises(ValueError, match=r"^size: expected a whole number from 0 to 3, got 4"):
            whole("size", 4, 0, 3)


@each("value", [True, "1", None, float("nan"), float("inf"), 10**400, 1.5, -0.1, [1]])
def test_a_number_out_of_range(value: Any) -> None:
    check_number("rate", 0.5, 0, 1)
    with pytest.raises(ValueError, match=r"^rate: expected a number from 0 to 1, got"):
        check_number("rate", value, 0, 1)


def wrong_states() -> dict[str, tuple[nn.Module, Any]]:
    """Pair each model with states that are not its own."""
    lstm, feedforward, two = machine(), machine("feedforward"), machine(read_heads=2)
    own, baseline = lstm.initial_state(B), LSTMBaseline(I, O, hidden_size=5, layers=2)
    hidden, cell = baseline.initial_state(B)
    return {
        "of another batch": (lstm, lstm.initial_state(2)),
        "of a larger memory": (lstm, machine(memory_locations=9).initial_state(B)),
        "of a wider memory": (lstm, machine(memory_width=4).initial_state(B)),
        "of more heads": (lstm, two.initial_state(B)),
        "of one head, which would broadcast": (
            two, two.initial_state(B)._replace(weighting=own.weighting[:, :1])
        ),
        "of one sequence, which would broadcast": (
            lstm, own._replace(weighting=own.weighting[:1])
        ),
        "of fewer locations in the weighting": (
            lstm, own._replace(weighting=own.weighting[..., :5])
        ),
        "of another controller": (feedforward, own),
        "of none": (lstm, feedforward.initial_state(B)),
        "of another controller's size": (lstm, machine(controller_size=6).initial_state(B)),
        "of more layers": (lstm, machine(controller_layers=2).initial_state(B)),
        "of an LSTM": (feedforward, (hidden, cell)),
        "of an NTM": (baseline, own),
        "of a deeper LSTM": (baseline, LSTMBaseline(I, O, hidden_size=5).initial_state(B)),
        "of half a pair": (baseline, (hidden,)),
        "of other numbers": (lstm, own._replace(memory=own.memory.double())),
        "of whole numbers": (lstm, own._replace(reads=own.reads.long())),
        "of lists": (lstm, list(own)),
        "of a list for the controller": (lstm, own._replace(controller=list(own.controller))),
        "of None within": (lstm, own._replace(reads=None)),
        "of NumPy's arrays": (lstm, own._replace(memory=own.memory.numpy())),
        "of one tensor": (baseline, hidden),
        "of a name": (lstm, "state"),
    }  # fmt: skip


@each("case", wrong_states())
def test_a_state_that_is_not_the_models_own(case: str) -> None:
    model, state = wrong_states()[case]
    for call, inputs in ((model, torch.zeros(5, B, I)), (model.step, torch.zeros(B, I))):
        with pytest.raises(ValueError, match=r"^state: expected "):
            call(inputs, state)  # type: ignore[operator]


@each("value", [None, [[0.0]], np.zeros((5, B, I)), "x", torch.zeros(5, B, I).double(),
                torch.zeros(5, B, I).int(), torch.zeros(5, B, I + 1)])  # fmt: skip
def test_inputs_that_are_not_the_models_own(value: Any) -> None:
    for model in (machine(), LSTMBaseline(I, O)):
        with pytest.raises(ValueError, match=r"^inputs: expected "):
            model(value)


class TestNumberTypes:
    @each("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
    def test_similarity_of_nothing_of_little_and_of_much(self, dtype: torch.dtype) -> None:
        rows = torch.tensor([[0.0, 0.0], [3.0, 4.0], [-4.0, 3.0]])
        for size in (1e-4, 1.0, 1e3) if dtype == torch.float16 else (1e-6, 1.0, 1e20):
            memory = (size * rows)[None].to(dtype).requires_grad_()
            found = cosine_similarity(memory, torch.tensor([[[0.6, 0.8]]], dtype=dtype))
            expected = torch.tensor([[[0.0, 1.0, 0.0]]], dtype=dtype)
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-2)
            found.sum().backward()
            assert memory.grad is not None and memory.grad.isfinite().all()

    @each("controller", ["feedforward", "lstm"])
    def test_where_autocast_lowers_precision_memory_keeps_its(self, controller: str) -> None:
        inputs = torch.rand(6, B, I)
        for model in (machine(controller), speed.fast(machine(controller))):
            exact, _ = model(inputs)
            with torch.autocast("cpu", torch.bfloat16):
                logits, state = model(inputs)
                model(inputs, state)
                traced, _ = model.trace(inputs)
            assert state.memory.dtype == state.weighting.dtype == torch.float32
            torch.testing.assert_close(logits.float(), exact, rtol=0, atol=0.1)
            torch.testing.assert_close(traced, logits, rtol=0, atol=0.02)
            logits.float().square().sum().backward()

    @each("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_a_machine_of_other_numbers(self, dtype: torch.dtype) -> None:
        for model in (machine(), speed.fast(machine())):
            logits, state = model.to(dtype)(torch.rand(6, B, I, dtype=dtype))
            assert logits.dtype == state.memory.dtype == dtype and logits.isfinite().all()

    def test_trained_models_under_another_default(self) -> None:
        try:
            torch.set_default_dtype(torch.float64)
            for task, name in [pair for pair in RECIPES if "lstm" in pair[1]]:
                model, about, *_ = pretrained.load(task, name)
                logits, _ = model(about.sample(1).inputs)
                assert logits.dtype == torch.float64
        finally:
            torch.set_default_dtype(torch.float32)


class TestTelling:
    @staticmethod
    @telling
    def mean(
        table: dict[str, list[float]], key: str | None = None, *, at: int = 0, **more: int
    ) -> float:
        return sum(table[key or "a"]) / len(table["a"]) + at + sum(more.values())

    @each(
        ("given", "said"),
        [
            ({"table": 3}, r"table: expected dict\[str, list\[float\]\], got 3"),
            ({"table": {"a": ["x"]}}, "table: expected dict"),
            ({"table": {"a": [1.0]}, "at": "x"}, "at: expected int, got 'x'"),
            ({"table": {"a": [1.0]}, "key": 5}, "key: expected str or NoneType, got 5"),
            ({"table": {"a": [1.0]}, "b": None}, "b: expected int, got None"),
        ],
    )
    def test_what_is_of_another_kind_is_named(self, given: dict[str, Any], said: str) -> None:
        with pytest.raises(ValueError, match=f"^{said}"):
            self.mean(**given)

    def test_other_errors_stay_as_they_are(self) -> None:
        with pytest.raises(KeyError, match="z"):
            self.mean({"a": [1.0]}, "z")
        with pytest.raises(ZeroDivisionError):
            self.mean({"a": []})
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'table'"):
            self.mean()
        assert self.mean({"a": [1.0]}, at=1, b=2) == 4
