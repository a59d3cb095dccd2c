"""Every exercise can be checked: as it stands its code fails, and its solution's code holds.

The cells of an exercise are read as the book reads them, as MyST directives. Their Python blocks
run here after those cells of the notebook that they lean on, as they do for a reader.
"""

import ast
import dis
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import pytest

from tests.each import each
from tools.exercises import TAGS, as_directives, is_exercise
from tools.links import ROOT
from tools.paper import chapters, number

PATHS = [path for path in chapters() if number(path)]  # the quick start has none
PROJECTS = ROOT / "notebooks" / "18_projects.ipynb"
TIMES = ("Two minutes", "Ten minutes", "Half an hour", "An hour", "Project")
"""How long an exercise may take, as its first words say; a chapter goes from short to long."""

DIRECTIVE = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<kind>exercise|solution)\}(?P<title>.*)\n"
    r"(?P<body>(?:.*\n)*?)(?P=fence)[ ]*$",
    re.MULTILINE,
)
FOLDED = re.compile(
    r"^<details><summary>(?P<what>\w+)</summary>\n\n(?P<text>(?:.*\n)+?)\n</details>$", re.MULTILINE
)
PYTHON = re.compile(r"^(?P<fence>`{3,})python\n(?P<code>(?:.*\n)*?)(?P=fence)[ ]*$", re.MULTILINE)
LABEL = re.compile(r"^:label: *(\S+)$", re.MULTILINE)
TIME = re.compile(r"^\*\*([^*]+)\.\*\* ", re.MULTILINE)
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

    @property
    def folded(self) -> list[str]:
        """What is folded away in it: a hint in an exercise, the whole text in a solution."""
        return [match["what"] for match in FOLDED.finditer(self.text)]

    @property
    def time(self) -> str:
        """How long it may take."""
        found = TIME.search(self.text)
        return found[1] if found else ""


def directives(notebook: Any) -> Iterator[Directive]:
    """Yield the exercises and solutions of a notebook, in their order."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            for match in DIRECTIVE.finditer(cell.source + "\n"):
                label = LABEL.search(match["body"])
                name = match["title"].strip() if match["kind"] == "solution" else label and label[1]
                yield Directive(match["kind"], name or "", match["body"], index)


def exercises(path: Path) -> list[Directive]:
    return [item for item in directives(read(path)) if item.kind == "exercise"]


@cache
def read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = list(as_directives(notebook.cells))
    return notebook


def names(code: str) -> tuple[set[str], set[str]]:
    """Return the names that a piece of code leans on, and those that it sets or changes."""
    tree = ast.parse(code)
    leans: set[str] = set()
    sets: set[str] = set()
    inner: list[CodeType] = []
    for instruction in dis.get_instructions(compile(tree, "cell", "exec")):
        if instruction.opname == "LOAD_NAME" and instruction.argval not in sets:
            leans.add(instruction.argval)
        elif instruction.opname == "STORE_NAME":
            sets.add(instruction.argval)
        elif isinstance(instruction.argval, CodeType):
            inner.append(instruction.argval)
    while inner:  # functions, lambdas and comprehensions, and what is in them
        for instruction in dis.get_instructions(inner.pop()):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                leans |= {instruction.argval} - sets
            elif isinstance(instruction.argval, CodeType):
                inner.append(instruction.argval)
    for node in ast.walk(tree):  # x[0] = 1 and x.y = 1 change x
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            while isinstance(node, ast.Subscript | ast.Attribute):
                node = node.value
            if isinstance(node, ast.Name):
                sets.add(node.id)
    return leans, sets


def needed(cells: list[str], code: str) -> list[int]:
    """Return which cells a piece of code leans on, through other cells too."""
    parts, wanted, kept = [names(cell) for cell in cells], names(code)[0], set[int]()
    while more := {i for i, (_, sets) in enumerate(parts) if sets & wanted} - kept:
        kept |= more
        wanted |= set().union(*(parts[i][0] for i in more))
    return sorted(kept)


@cache
def namespace(path: Path) -> Namespace:
    """Run what the exercises of a notebook lean on, once; return the names that it defines."""
    mpl.use("Agg")
    found: Namespace = {"__name__": "notebook"}
    cells = [
        MAGIC.sub("", cell.source)
        for cell in read(path).cells
        if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", [])
    ]
    code = "\n".join(chain.from_iterable(item.code for item in directives(read(path))))
    for index in needed(cells, code):
        exec(compile(cells[index], f"{path.stem}[{index}]", "exec"), found)
        plt.close("all")
    return found


def asserts(code: str) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(code)))


def leaves_a_gap(statement: ast.stmt) -> bool:
    return any(isinstance(x, ast.Constant) and x.value is ... for x in ast.walk(statement))


def completed(stub: str, solution: str) -> str:
    """Return an exercise's code with a solution where its first gap was, and no gap after it.

    What the solution asserts comes last, as it may be about what follows the gap.
    """
    statements, answer = ast.parse(stub).body, ast.parse(solution).body
    first = next(i for i, one in enumerate(statements) if leaves_a_gap(one))
    checks = [one for one in answer if isinstance(one, ast.Assert)]
    filled = [one for one in answer if one not in checks]
    again = set(map(ast.unparse, answer))
    kept = [
        one for one in statements[first:] if not leaves_a_gap(one) and ast.unparse(one) not in again
    ]
    return "\n".join(map(ast.unparse, [*statements[:first], *filled, *kept, *checks]))


def check(exercise: Directive, solution: Directive, given: Namespace) -> list[str]:
    """Check that an exercise fails as it stands, and that its solution completes it; say so."""
    stub = "\n".join(exercise.code)
    assert asserts(stub), f"{exercise.label}: its code asserts nothing"
    with pytest.raises(Exception):  # noqa: B017, PT011 - however it fails
        exec(stub, dict(given))
    assert solution.code, f"{exercise.label}: its solution has no code that could be checked"
    whole = completed(stub, "\n".join(solution.code))
    assert asserts(whole), f"{exercise.label}: its solution leaves out what was asserted"
    exec(whole, dict(given))
    plt.close("all")
    return ["stubs that fail", "solutions that pass"]


@each("path", PATHS)
def test_each_exercise_has_a_time_a_hint_and_one_hidden_solution(path: Path) -> None:
    found = list(directives(read(path)))
    labels = [item.label for item in found if item.kind == "exercise"]
    solved = [item.label for item in found if item.kind == "solution"]
    assert labels == solved, "each exercise is followed by its solution"
    for item in found:
        assert item.label.startswith(f"ex-{path.stem[:2]}-"), item.label
        if item.kind == "exercise":
            assert item.time in TIMES, item.label
            assert item.folded == ["Hint"], item.label
        else:  # folded on the page by its class, elsewhere by its tag
            assert ":class: dropdown" in item.text, item.label
            assert item.folded == ["Solution"], item.label
            assert FOLDED.sub("", item.text).strip() == ":class: dropdown", item.label


@each("path", PATHS)
def test_each_chapter_goes_from_a_two_minute_check_to_a_project(path: Path) -> None:
    times = [TIMES.index(item.time) for item in exercises(path)]
    assert 4 <= len(times) <= 8
    assert times == sorted(times), "the shorter ones come first"
    assert TIMES[times[-1]] == "Project"
    assert TIMES[times[0]] == ("Project" if path == PROJECTS else "Two minutes")


def test_each_chapter_says_in_the_same_words_how_to_try_one() -> None:
    texts = {
        cell.source
        for path in PATHS
        if any(map(is_exercise, nbformat.read(path, as_version=4).cells))
        for cell in read(path).cells
        if cell.source.startswith("## Exercises")
    }
    assert len(texts) == 1


def test_an_exercise_is_cells_in_a_notebook_and_directives_in_the_book() -> None:
    text = (
        ":::{exercise} Add\n:label: ex-00-add\n\n**Ten minutes.** Add.\n\n"
        "```python\nx = ...\nassert x == 2\n```\n\nAnd then?\n\n"
        "<details><summary>Hint</summary>\n\nCount.\n\n</details>\n:::\n\n"
        ":::{solution} ex-00-add\n:class: dropdown\n\n"
        "<details><summary>Solution</summary>\n\n"
        "```python\nx = 2\nassert x == 2\n```\n\n</details>\n:::"
    )
    asked = nbformat.v4.new_markdown_cell(
        "### Exercise: Add\n\n**Ten minutes.** Add.", metadata={"exercise": "ex-00-add"}
    )
    code = nbformat.v4.new_code_cell("x = ...\nassert x == 2", metadata={"tags": TAGS})
    rest = nbformat.v4.new_markdown_cell(
        "And then?\n\n<details><summary>Hint</summary>\n\nCount.\n\n</details>\n\n"
        "<details><summary>Solution</summary>\n\n"
        "```python\nx = 2\nassert x == 2\n```\n\n</details>"
    )
    (again,) = as_directives([asked, code, rest])
    assert again.source == text.replace(":::", ":::::")
    with pytest.raises(ValueError, match="ex-00-add"):
        list(as_directives([asked, code]))


def test_labels_are_unique_in_the_book() -> None:
    labels = Counter(item.label for path in PATHS for item in exercises(path))
    assert not [label for label, count in labels.items() if count > 1]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_its_exercises_fail_and_their_solutions_hold(
    path: Path, record_property: Callable[[str, object], None], subtests: pytest.Subtests
) -> None:
    found = list(directives(read(path)))
    for exercise, solution in zip(found[::2], found[1::2], strict=True):
        record_property("tally Exercises: in the book", 1)
        with subtests.test(label=exercise.label):
            for what in check(exercise, solution, namespace(path)):
                record_property(f"tally Exercises: {what}", 1)


@each(
    ("stub", "solution", "complaint"),
    [
        ("x = 1\nassert x == ...", "y = 1", "leaves out what was asserted"),
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
    code = "one = 1\nx = ...\ndouble = 2 * x\nassert double == 2 * ..."
    exercise = Directive("exercise", "ex", f"```python\n{code}\n```\n", 0)
    code = "x = one + 1\nassert double == 2 * given"
    solution = Directive("solution", "ex", f"```python\n{code}\n```\n", 0)
    check(exercise, solution, {"given": 2})


def test_only_what_an_exercise_leans_on_is_run() -> None:
    cells = [
        "import math",
        "def area(r):\n    return math.pi * r * scale",
        "scale = 1",
        "slow = [area(r) for r in range(9)]",
        "table = {}",
        "table['a'] = 2",
        "for r in range(3):\n    other = area(r)",
    ]
    assert needed(cells, "assert area(1) > 3") == [0, 1, 2]
    assert needed(cells, "r = 1\nassert table['a'] + r == 3") == [4, 5]
    assert needed(cells, "def f(x):\n    return slow[x]") == [0, 1, 2, 3]
    assert needed(cells, "area = 1\nassert area") == []


def test_a_task_of_the_readers_own_takes_fewer_than_40_lines() -> None:
    solution = next(
        item
        for item in directives(read(PROJECTS))
        if item.label == "ex-18-task" and item.code and item.kind == "solution"
    )
    classes = [node for node in ast.parse(solution.code[0]).body if isinstance(node, ast.ClassDef)]
    (task,) = classes
    assert (task.end_lineno or 0) - task.lineno + 1 < 40
