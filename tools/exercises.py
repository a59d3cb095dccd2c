"""A Sphinx extension: an exercise is cells in a notebook, and a numbered box in the book.

In a notebook it is three cells, which Jupyter and Colab show and run as they stand:

1. text, ``### Exercise: Title`` and what is asked, its label in the metadata as ``exercise``;
2. the code to be completed, tagged ``exercise`` and ``nbval-skip``: it fails until it is;
3. text, whatever is left to say, then a hint and a solution, both folded.

The book's parser sees them as one cell with the directives of sphinx-exercise.
"""

from collections.abc import Iterator
from typing import Any

import nbformat
from nbformat.v4 import new_markdown_cell

HEADING = "### Exercise: "
SOLUTION = "<details><summary>Solution</summary>"
TAGS = ["exercise", "nbval-skip"]


def is_exercise(cell: Any) -> bool:
    """Tell whether a code cell is a reader's to complete."""
    return "exercise" in cell.metadata.get("tags", [])


def as_directives(cells: list[Any]) -> Iterator[Any]:
    """Yield a notebook's cells, those of an exercise as one."""
    parts: list[Any] = []
    for cell in cells:
        if parts or "exercise" in cell.metadata:
            parts.append(cell)
            if SOLUTION in cell.source:
                yield new_markdown_cell(directives(parts))
                parts = []
        else:
            yield cell
    if parts:
        raise ValueError(f"{parts[0].metadata.exercise}: no cell after it has a solution")


def directives(parts: list[Any]) -> str:
    """Write the cells of an exercise as an exercise and its solution."""
    label = parts[0].metadata.exercise
    title, _, text = parts[0].source.removeprefix(HEADING).partition("\n")
    rest = [f"```python\n{part.source}\n```" if part.cell_type == "code" else part.source
            for part in parts[1:]]  # fmt: skip
    asked, mark, solved = "\n\n".join([text.strip(), *rest]).partition(SOLUTION)
    return (
        f":::::{{exercise}} {title}\n:label: {label}\n\n{asked.strip()}\n:::::\n\n"
        f":::::{{solution}} {label}\n:class: dropdown\n\n{mark}{solved.rstrip()}\n:::::"
    )


def read_source(app: Any, page: str, source: list[str]) -> None:
    """Hand the book's parser a notebook whose exercises are directives."""
    if app.env.doc2path(page).endswith(".ipynb"):
        notebook = nbformat.reads(source[0], as_version=4)
        notebook.cells = list(as_directives(notebook.cells))
        source[0] = nbformat.writes(notebook)


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", read_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
