"""A Sphinx extension: hints and solutions are folded once, and unfolded in print.

A notebook folds them with `<details><summary>Hint</summary>`, which works wherever notebooks do. On
the page a solution's box folds by itself, so the tag inside it goes. Print cannot fold: there the
tags go too, and a hint begins with its summary, in bold.
"""

import re
from typing import Any

from docutils import nodes
from sphinx_exercise.nodes import solution_node

OPEN = re.compile(r"<details>\s*<summary>(.*?)</summary>\s*$")
CLOSE = "</details>"


def unfold(app: Any, document: nodes.document, page: str) -> None:
    """Take out the tags that the output has no use for."""
    html = app.builder.format == "html"
    for raw in list(document.findall(nodes.raw)):
        opens = OPEN.match(raw.astext())
        if not (opens or raw.astext().strip() == CLOSE):
            continue
        solution = inside(raw, solution_node)
        if html and not solution:
            continue
        kept = [nodes.paragraph("", "", nodes.strong("", f"{opens[1]}."))] if opens else []
        raw.parent.replace(raw, [] if solution else kept)


def inside(node: nodes.Node, kind: type[nodes.Node]) -> bool:
    """Tell whether a node is part of one of some kind."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, kind):
            return True
    return False


def setup(app: Any) -> dict[str, bool]:
    app.connect("doctree-resolved", unfold)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
