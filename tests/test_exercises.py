"""Every exercise can be checked: as it stands its code fails, and its solution's code holds.

Exercises and solutions are MyST directives in the notebooks' text. Their Python blocks run here
after the notebook's own code up to that cell, as they do for a reader who pastes them there.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import pytest

from tools.links import ROOT

PATHS = sorted(ROOT.glob("notebooks/*.ipynb"))
DIRECTIVE = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<kind>exercise|solution)\}(?P<title>.*)\n"
    r"(?P<body>(?:.*\n)*?)(?P=fence)[ ]*$",
    re.MULTILINE,
)
PYTHON = re.compile(r"^(?P<fence>`{3,})python\n(?P<code>(?:.*\n)*?)(?P=fence)[ ]*$", re.MULTILINE)
LABEL = re.compile(r"^:label: *(\S+)$", re.MULTILINE)
MAGIC = re.compile(r"^[%!].*$", re.MULTILINE)

Namespace = dict[str, Any]
# A reader runs without shape checks, and sees the package's own errors.
pytestmark = pytest.mark.bad_input


class Directive(NamedTuple):
    """One exercise, or one solution."""

    kind: str
    label: str  # of the exercise; a solution names the exercise that it solves
    text: str
    cell: int

    @property
    def code(self) -> list[str]:
        """Its Python blocks."""
        return [match["code"] for match in PYTHON.finditer(self.text)]


def directives(notebook: Any) -> Iterator[Directive]:
    """Yield the exercises and solutions of a notebook, in their order."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            for match in DIRECTIVE.finditer(cell.source + "\n"):
                label = LABEL.search(match["body"])
                name = match["title"].strip() if match["kind"] == "solution" else label and label[1]
                yield Directive(match["kind"], name or "", match["body"], index)


@cache
def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


@cache
def namespaces(path: Path) -> dict[int, Namespace]:
    """Run a notebook once; return what names it had defined at each cell with a solution."""
    mpl.use("Agg")
    names: Namespace = {"__name__": "notebook"}
    found: dict[int, Namespace] = {}
    wanted = {item.cell for item in directives(read(path)) if item.code}
    for index, cell in enumerate(read(path).cells[: max(wanted, default=-1) + 1]):
        if index in wanted:
            found[index] = dict(names)
        elif cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", []):
            exec(compile(MAGIC.sub("", cell.source), f"{path.stem}[{index}]", "exec"), names)
            plt.close("all")
    return found


def asserts(code: str) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(code)))


def own_checks(code: str) -> str:
    """Return an exercise's statements that assert something and leave nothing to fill in."""
    checks = []
    for statement in ast.parse(code).body:
        nodes = list(ast.walk(statement))
        dots = any(isinstance(node, ast.Constant) and node.value is ... for node in nodes)
        if any(isinstance(node, ast.Assert) for node in nodes) and not dots:
            checks.append(ast.unparse(statement))
    return "\n".join(checks)


def check(exercise: Directive, solution: Directive, names: Namespace) -> None:
    """Check that an exercise fails as it stands, and that its solution passes."""
    stub = "\n".join(exercise.code)
    if stub:
        assert asserts(stub), f"{exercise.label}: its code asserts nothing"
        with pytest.raises(Exception):  # noqa: B017, PT011 - however it fails
            exec(stub, dict(names))
    assert solution.code, f"{exercise.label}: its solution has no code that could be checked"
    for block in solution.code:
        assert asserts(block), f"{exercise.label}: a block of its solution asserts nothing"
    names = dict(names)
    for block in [*solution.code, own_checks(stub)]:
        exec(block, names)
    plt.close("all")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_each_chapter_has_exercises_with_one_hidden_solution_each(path: Path) -> None:
    found = list(directives(read(path)))
    exercises = [item.label for item in found if item.kind == "exercise"]
    solutions = [item.label for item in found if item.kind == "solution"]
    assert 3 <= len(exercises) <= 5
    assert exercises == solutions, "each exercise is followed by its solution"
    for item in found:
        assert item.label.startswith(f"ex-{path.stem[:2]}-"), item.label
        assert item.kind == "exercise" or ":class: dropdown" in item.text, item.label


def test_labels_are_unique_in_the_book() -> None:
    labels = Counter(
        item.label for path in PATHS for item in directives(read(path)) if item.kind == "exercise"
    )
    assert not [label for label, count in labels.items() if count > 1]


@pytest.mark.parametrize(
    ("path", "label"),
    [(p, item.label) for p in PATHS for item in directives(read(p)) if item.kind == "exercise"],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_exercise_fails_and_its_solution_holds(path: Path, label: str) -> None:
    exercise, solution = (item for item in directives(read(path)) if item.label == label)
    check(exercise, solution, namespaces(path).get(solution.cell, {}))


@pytest.mark.parametrize(
    ("stub", "solution", "complaint"),
    [
        ("x = ...\nassert x == given + 1", "x = 3", "a block of its solution asserts nothing"),
        ("x = ...\nassert x == given + 1", "x = 4\nassert x == 4", None),  # not what was asked
        ("x = ...\nassert x == given + 1", "x = 3\nassert x == 4", None),
        ("x = 3\nassert x == given + 1", "x = 3\nassert x == 3", "DID NOT RAISE"),
        ("x = ...", "x = 3\nassert x == 3", "its code asserts nothing"),
    ],
)
def test_a_bad_exercise_is_noticed(stub: str, solution: str, complaint: str | None) -> None:
    text = (
        f":::{{exercise}} Title\n:label: ex\n\n```python\n{stub}\n```\n:::\n\n"
        f"````{{solution}} ex\n:class: dropdown\n\n```python\n{solution}\n```\n````"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    exercise, answer = directives(notebook)
    with pytest.raises((AssertionError, pytest.fail.Exception), match=complaint):
        check(exercise, answer, {"given": 2})


def test_a_good_exercise_passes() -> None:
    exercise = Directive("exercise", "ex", "```python\nx = ...\nassert x == given\n```\n", 0)
    solution = Directive("solution", "ex", "```python\nx = 2\nassert x == given\n```\n", 0)
    check(exercise, solution, {"given": 2})
