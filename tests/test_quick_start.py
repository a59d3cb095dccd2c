"""The quick start needs PyTorch alone, and is as short as it says."""

import ast
import sys
from typing import Any

import nbformat
import pytest
import torch

from tools.links import ROOT

CELLS = [
    cell.source
    for cell in nbformat.read(ROOT / "notebooks" / "00_quick_start.ipynb", as_version=4).cells
    if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", [])
]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the cells that define something, where this book's package cannot be imported."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "ntm_tutorial"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ntm_tutorial", None)  # importing it is an ImportError now
    found: dict[str, Any] = {"__name__": "notebook"}
    for source in CELLS:
        parts = [part for part in ast.parse(source).body if not isinstance(part, ast.Expr)]
        if any(isinstance(part, ast.ClassDef | ast.FunctionDef | ast.Try) for part in parts):
            exec(compile(ast.Module(parts, []), "cell", "exec"), found)
    return found


def test_it_runs_without_this_book(names: dict[str, Any]) -> None:
    inputs, answers, due = names["sample"](torch.tensor([5, 2, 1]))
    assert inputs.shape == (11, 3, 9) and answers.shape == (11, 3, 8)
    for list_, length in enumerate((5, 2, 1)):
        assert inputs[:, list_, 8].nonzero().flatten().tolist() == [length]
        asked = answers[due[:, list_], list_]
        assert torch.equal(asked, inputs[:length, list_, :8])
    model = names["train"](0, most=32)
    logits, weightings = model(inputs)
    assert logits.shape == (11, 3, 8) and weightings.shape == (11, 3, 2, 128)
    assert torch.allclose(weightings.sum(-1), torch.ones(11, 3, 2), atol=1e-5)


def test_it_is_as_short_as_it_says() -> None:
    lengths = {
        part.name: (part.end_lineno or 0) - part.lineno + 1
        for source in CELLS
        for part in ast.parse(source).body
        if isinstance(part, ast.ClassDef | ast.FunctionDef)
    }
    assert lengths["NTM"] <= 60
    assert lengths["sample"] <= 12
