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
    before = vars(model).keys()
    history = train(model, TASKS["copy"], compile=compile, **RUN)
    assert vars(model).keys() == before, "the compiled step is still there"
    return torch.tensor([history.training_bits, history.validation_bits])
"""

TRACED = """
from ntm_tutorial.speed.merging import MergeProducts
plain = torch.compile

def traced(f, dynamic, options):
    assert isinstance(options["post_grad_custom_post_pass"], MergeProducts)
    return plain(f, dynamic=dynamic, backend="aot_eager")

torch.compile = traced
from torch._dynamo.utils import counters
for controller in ("feedforward", "lstm"):
    for heads in (1, 2):
        graphs = counters["stats"]["unique_graphs"]
        torch.testing.assert_close(
            costs(controller, True, heads), costs(controller, False, heads), rtol=1e-4, atol=0
        )
        assert counters["stats"]["unique_graphs"] == graphs + 1, "all chunks share one"
"""

MACHINE_CODE = """
import warnings
warnings.filterwarnings("error", message="torch.compile does not work")

torch._inductor.config.force_disable_caches = True  # else there may be nothing left to trace
from ntm_tutorial.speed.merging import MergeProducts
merge, saved = MergeProducts.__call__, []

def watched(self, graph):
    def products():
        found = [str(node.target) for node in graph.nodes]
        return found.count("aten.mm.default") + found.count("aten.addmm.default")
    before = products()
    merge(self, graph)
    saved.append(before - products())

MergeProducts.__call__ = watched
torch.testing.assert_close(costs("lstm", True), costs("lstm", False), rtol=1e-4, atol=0)
assert saved == [0, 9], f"three weights of four steps need one product each, going back: {saved}"
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
    with compiled(model, 4):
        model(torch.zeros(5, 4, 7))
except ValueError as error:
    assert "inputs: expected" in str(error)
else:
    raise AssertionError("no error")
"""


class TestCompiled:
    def test_the_costs_are_those_of_plain_training(self) -> None:
        """All is traced and differentiated as ever; only C++ is not made of it."""
        run_script(RUN + TRACED)

    @pytest.mark.slow
    def test_the_machine_code_computes_the_same(self) -> None:
        run_script(RUN + MACHINE_CODE)

    def test_without_a_compiler_training_goes_on_and_says_so(self, tmp_path: Path) -> None:
        run_script(
            RUN + NO_COMPILER,
            CXX="/no/such/compiler", PATH=str(tmp_path), TORCHINDUCTOR_CACHE_DIR=str(tmp_path),
        )  # fmt: skip

    def test_what_is_wrong_with_an_input_comes_up_by_itself(self) -> None:
        run_script(RUN + BAD_INPUT)

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
