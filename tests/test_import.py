"""The package is quick to import and brings in nothing that only the book needs."""

import os
import subprocess
import sys

SCRIPT = """
import sys, time
import torch
start = time.process_time()
import ntm_tutorial
print(time.process_time() - start)
print(*sys.modules)
"""


def test_import() -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    seconds, modules = printed.stdout.splitlines()
    assert float(seconds) < 3
    heavy = {"matplotlib", "ipywidgets", "IPython", "torch._dynamo", "torch._inductor", "pandas"}
    assert not heavy & set(modules.split())


def test_all_names_are_there() -> None:
    import ntm_tutorial
    import ntm_tutorial.lstm

    assert ntm_tutorial.LSTMBaseline is ntm_tutorial.lstm.LSTMBaseline
    assert all(hasattr(ntm_tutorial, name) for name in ntm_tutorial.__all__)
