"""Execute notebooks in place: ``make notebooks``, or ``make notebooks NB=notebooks/07_copy.ipynb``.

Outputs are kept; whatever differs from run to run and tells a reader nothing is left out, so that a
commit shows what really changed.
"""

import re
import sys
import time
from collections.abc import Mapping
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
    """Run one notebook from top to bottom in a fresh kernel, and save it with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
    ).execute()
    tidy(notebook)
    nbformat.write(notebook, path)


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]] or sorted(ROOT.glob("notebooks/*.ipynb"))
    for path in paths:
        start = time.perf_counter()
        print(f"{path.name} ...", end=" ", flush=True)
        execute(path)
        print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
