"""Execute notebooks in place: ``make notebooks``, or ``make notebooks NB=notebooks/07_copy.ipynb``.

Outputs are kept; whatever differs from run to run and tells a reader nothing is left out, so that a
commit shows what really changed. When each notebook was executed, on which versions, and from which
code stands in one file beside them, which is committed with them: `tools/health.py` shows it.
"""

import ast
import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
"""What a committed notebook says of itself: no versions, no widget state, no machine."""

WIDGET = "application/vnd.jupyter.widget-view+json"
"""A widget among a cell's outputs; saved, it would be a slider that does nothing."""

RECORDS = "executed.json"
LIBRARIES = ("torch", "numpy", "matplotlib", "ipywidgets")


def is_progress_bar(output: Mapping[str, Any]) -> bool:
    """Tell whether an output is tqdm's progress bar, as text on stderr or as a widget."""
    text = output.get("text", "") if output.get("name") == "stderr" else ""
    if WIDGET in output.get("data", {}):
        text = output["data"].get("text/plain", "")
    lines = [line for line in re.split(r"[\r\n]+|\x1b\[A", "".join(text)) if line.strip()]
    return bool(lines) and all(re.search(r"\d+%\||\d+(it|seq)? \[\d+:\d+", line) for line in lines)


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Leave out what differs from run to run."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [
                output
                for output in cell.outputs
                if not is_progress_bar(output) and WIDGET not in output.get("data", {})
            ]


def execute(path: Path) -> None:
    """Run one notebook from top to bottom in a fresh kernel; save it with its outputs, record it.

    The record holds the code that ran, so that a change made meanwhile shows.
    """
    code, start = code_of(path), processor_seconds()
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        skip_cells_with_tag="exercise",
        coalesce_streams=True,
        store_widget_state=False,
    ).execute()
    tidy(notebook)
    nbformat.write(notebook, path)
    write_record(path, code, processor_seconds() - start)


def processor_seconds() -> float:
    """Return what ended kernels have used. Unlike a clock, it minds no other work beside them."""
    times = os.times()
    return times.children_user + times.children_system


def code_of(path: Path) -> dict[str, str]:
    """Return a fingerprint of a notebook's code and one of the package's."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    # A fork changes the address in the setup cell, and need not execute anything again for that.
    apart = {"setup", "exercise"}
    sources = [cell.source for cell in cells if apart.isdisjoint(cell.metadata.get("tags", []))]
    package = sorted((ROOT / "ntm_tutorial").rglob("*.py"))
    return {
        "notebook": fingerprint(sources),
        "package": fingerprint(
            without_docstrings(file.read_text(encoding="utf-8")) for file in package
        ),
    }


def fingerprint(sources: Iterable[str]) -> str:
    """Return a short hash of code, which comments and blank lines do not change."""
    lines = [line.rstrip() for source in sources for line in source.splitlines()]
    code = "\n".join(line for line in lines if not re.match(r"\s*(#|$)", line))
    return sha256(code.encode()).hexdigest()[:16]


@cache
def without_docstrings(source: str) -> str:
    """Empty the lines of all strings that stand alone."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            last = node.end_lineno or node.lineno
            lines[node.lineno - 1 : last] = [""] * (last - node.lineno + 1)
    return "\n".join(lines)


def read_records(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the records of the notebooks in a folder, by name."""
    path = folder / RECORDS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_record(path: Path, code: dict[str, str], seconds: float) -> None:
    """Note that a notebook was executed now, in this environment; forget those that are gone."""
    records = read_records(path.parent)
    records[path.stem] = {
        "code": code,
        "executed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "seconds": round(seconds, 1),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name).partition("+")[0] for name in LIBRARIES},
        },
    }
    there = {stem: entry for stem, entry in records.items() if path.with_stem(stem).exists()}
    text = json.dumps(there, indent=1, sort_keys=True) + "\n"
    (path.parent / RECORDS).write_text(text, encoding="utf-8")


def changes(path: Path) -> list[str]:
    """Name what changed since a notebook was executed: "notebook", "package", or both.

    Raises:
        ValueError: if it was never executed.
    """
    entry = read_records(path.parent).get(path.stem)
    if entry is None:
        raise ValueError(
            f"{path.name} has no record: run `make notebooks NB=notebooks/{path.name}`"
        )
    return [what for what, code in code_of(path).items() if entry["code"][what] != code]


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]] or sorted(ROOT.glob("notebooks/*.ipynb"))
    for path in paths:
        start = time.perf_counter()
        print(f"{path.name} ...", end=" ", flush=True)
        execute(path)
        print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
