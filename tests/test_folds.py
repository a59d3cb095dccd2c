"""What is folded on the page lies open in print."""

from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document
from sphinx_exercise.nodes import exercise_enumerable_node, solution_node

from tools.folds import unfold


@pytest.mark.parametrize(
    ("output", "box", "expected"),
    [
        ("html", exercise_enumerable_node, ["<details><summary>Hint</summary>", "x", "</details>"]),
        ("html", solution_node, ["x"]),
        ("latex", exercise_enumerable_node, ["Hint.", "x"]),
        ("latex", solution_node, ["x"]),
    ],
)
def test_what_is_left_of_a_fold(output: str, box: type[nodes.Element], expected: list[str]) -> None:
    document = new_document("page")
    texts = ["<details><summary>Hint</summary>", "</details>"]
    start, end = (nodes.raw("", text, format="html") for text in texts)
    document += box("", nodes.section("", start, nodes.paragraph("", "x"), end))
    document += nodes.raw("", "<details>", format="html")  # not ours
    unfold(SimpleNamespace(builder=SimpleNamespace(format=output)), document, "page")
    found, other = document.children[0].children[0], document.children[1]
    assert [child.astext() for child in found.children] == expected
    assert other.astext() == "<details>"
