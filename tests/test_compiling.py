"""Training on machine code: the same numbers, one piece of code for all steps, and a way back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ntm_tutorial.models.lstm import LSTMBaseline
from ntm_tutorial.tasks import TASKS
from ntm_tutorial.training import train

ROOT = Path(__file__).parent.parent


def run_script(script: str, **environment: str) -> str:
    """Run a script in a process of its own, as the shape checks of these tests cannot be compiled.

    Return what it wrote to standard error.
    """
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


RUN = """
import torch
from ntm_tutorial import NTM, TASKS, train

RUN = dict(sequences=48, batch_size=8, validate_every=16, validation_sequences=8, progress=False)

def costs(controller, compile, heads=1):
    torch.manual_seed(0)
    model = NTM(9, 8, controller=controller, controller_size=8, memory_locations=6,
                read_heads=heads, write_heads=heads)
    history = train(model, TASKS["copy"], compile=compile, **RUN)
    assert "advance_all" not in vars(model), "the model is as it was"
    return torch.tensor([history.training_bits, history.validation_bits])
"""

TRACED = """
plain = torch.compile

def traced(f, dynamic, options):
    return plain(f, dynamic=dynamic, backend="aot_eager")

torch.compile = traced
"""

COSTS = """
from torch._dynamo.utils import counters
for controller in ("feedforward", "lstm"):
    for heads in (1, 2):
        graphs = counters["stats"]["unique_graphs"]
        torch.testing.assert_close(
            costs(controller, True, heads), costs(controller, False, heads), rtol=1e-4, atol=0
        )
        assert counters["stats"]["unique_graphs"] == graphs + 2, "four steps, and one"
"""

A_MODEL_LIKE_ANY_OTHER = """
import copy, io
from ntm_tutorial import speed
torch.manual_seed(0)
model = speed.fast(NTM(9, 8, controller="lstm", controller_size=8, memory_locations=6))
inputs, calls = torch.rand(11, 4, 9), []
hook = model.register_forward_hook(lambda *_: calls.append(1))
with speed.compiled(model, 4) as run:
    for pieces in ([11], [4, 7], [1, 2, 3, 5]):
        logits, state = [], None
        for piece in inputs.split(pieces):
            found, state = run(piece, state)
            logits.append(found)
        expected, end = model(inputs)
        torch.testing.assert_close(torch.cat(logits), expected)
        for one, other in zip(state[:3], end[:3]):
            torch.testing.assert_close(one, other)
        torch.testing.assert_close(state.controller, end.controller)
    assert len(calls) == 1 + 2 + 4 + 3, "hooks are called"
    (found,) = torch.autograd.grad(run(inputs)[0].sum(), model.heads.linear.weight)
    (expected,) = torch.autograd.grad(model(inputs)[0].sum(), model.heads.linear.weight)
    torch.testing.assert_close(found, expected)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for weight in twin.parameters():
            weight.zero_()
    assert not twin(inputs)[0].any(), "a copy runs its own weights"
    hook.remove()
    torch.save(model, io.BytesIO())
other = torch.nn.LSTM(9, 8)
with speed.compiled(other, 4) as run:
    assert run is other
"""

MACHINE_CODE = """
import warnings
warnings.filterwarnings("error", message="torch.compile does not work")
torch.testing.assert_close(costs("lstm", True), costs("lstm", False), rtol=1e-4, atol=0)
"""

NO_COMPILER = """
import warnings
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    found = costs("feedforward", True)
assert torch.equal(found, costs("feedforward", False))
words = [str(warning.message) for warning in seen if "goes on without" in str(warning.message)]
assert len(words) == 1, seen
"""

BAD_INPUT = """
from ntm_tutorial.speed.compiling import compiled
model = NTM(9, 8, controller_size=8, memory_locations=6)
try:
    with compiled(model, 4) as run:
        run(torch.zeros(5, 4, 7))
except ValueError as error:
    assert "inputs: expected" in str(error)
else:
    raise AssertionError("no error")
"""


class TestCompiled:
    @pytest.mark.slow
    def test_the_costs_are_those_of_plain_training(self) -> None:
        """All is traced and differentiated as ever; only C++ is not made of it."""
        run_script(RUN + TRACED + COSTS)

    def test_what_is_compiled_runs_a_model_like_any_other(self) -> None:
        """What is wrong with an input comes up by itself, too."""
        run_script(RUN + TRACED + A_MODEL_LIKE_ANY_OTHER + BAD_INPUT)

    @pytest.mark.slow
    @pytest.mark.skipif(
        " " in sys.prefix + str(ROOT), reason="PyTorch's compiler splits a folder's name at spaces"
    )
    def test_the_machine_code_computes_the_same(self) -> None:
        run_script(RUN + MACHINE_CODE)

    @pytest.mark.slow
    def test_without_a_compiler_training_goes_on_and_says_so(self, tmp_path: Path) -> None:
        run_script(
            RUN + NO_COMPILER,
            CXX="/no/such/compiler", PATH=str(tmp_path), TORCHINDUCTOR_CACHE_DIR=str(tmp_path),
        )  # fmt: skip

    def test_an_lstm_needs_no_compiling(self) -> None:
        curves = []
        for compile in (False, True):
            torch.manual_seed(0)
            model = LSTMBaseline(9, 8, hidden_size=8, layers=1)
            history = train(
                model, TASKS["copy"], sequences=32, batch_size=8, validate_every=16,
                validation_sequences=4, compile=compile, progress=False,
            )  # fmt: skip
            curves.append(history.validation_bits)
        assert curves[0] == curves[1]
