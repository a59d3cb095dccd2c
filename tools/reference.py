"""A Sphinx extension: the reference, which autodoc makes of the docstrings, leads on from there.

An equation that a docstring mentions, such as "Eqs. 5 to 9", becomes a link to it. Whatever the
chapters use links to the first that does. Each name is listed once: a package lists what it
exports, and its files what is left.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from pydoc import locate
from typing import Any

from docutils import nodes
from sphinx.roles import XRefRole
from sphinx.util.nodes import make_refnode

from tools.paper import chapters, number

EQUATIONS = "book/notation"
"""The page of the numbered equations."""

MENTION = re.compile(r"\b(?:Eqs?\.|Equations?)\s+\d+(?:(?:,|-|\s+to|\s+and)\s*\d+)*")
LITERAL = re.compile(r"(::\n\n(?:(?:[ \t].*)?\n)*)")


def link_equations(text: str) -> str:
    """Make links of the equations that a docstring mentions, but not in literal blocks."""
    parts = LITERAL.split(text)
    parts[::2] = [MENTION.sub(_link_numbers, part) for part in parts[::2]]
    return "".join(parts)


def _link_numbers(mention: re.Match[str]) -> str:
    """Link each number of a mention; the word before it belongs to the first."""
    return re.sub(r"([A-Z]\D*)?(\d+)", r":equation:`\g<0> <\2>`", mention[0])


def find_equation(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Resolve a link to an equation by its number."""
    if node["reftype"] == "equation":
        for label, (page, number) in env.get_domain("math").equations.items():
            if (page, str(number)) == (EQUATIONS, node["reftarget"]):
                return make_refnode(app.builder, node["refdoc"], page, f"equation-{label}", content)
    return None


@cache
def first_uses() -> dict[Any, Path]:
    """Map each function and class that chapters use to the first chapter that does."""
    found: dict[Any, Path] = {}
    for path, notebook in chapters().items():
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        sources = [cell.source for cell in code if "setup" not in cell.metadata.get("tags", [])]
        for name in used_names("\n".join(sources)):
            thing = locate(name)
            if is_definition(thing):
                found.setdefault(thing, path)
    return found


def is_definition(thing: Any) -> bool:
    """Tell functions and classes, which know where they come from, from constants."""
    return inspect.isfunction(thing) or inspect.isclass(thing)


def used_names(source: str) -> Iterator[str]:
    """Yield the full name of whatever code uses of the package."""
    tree, imported = ast.parse(source), dict[str, str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ntm_tutorial"):
            names = {alias.asname or alias.name: alias.name for alias in node.names}
            imported |= {ours: f"{node.module}.{name}" for ours, name in names.items()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            first, _, rest = ast.unparse(node).partition(".")
            if first in imported and (not rest or rest.replace(".", "").isidentifier()):
                yield f"{imported[first]}.{rest}".rstrip(".")


def finish_docstring(app: Any, what: str, name: str, thing: Any, _: Any, lines: list[str]) -> None:
    """Put the links into a docstring, which napoleon has made reStructuredText."""
    lines[:] = link_equations("\n".join([*lines, ""])).split("\n")
    if is_definition(thing) and (chapter := first_uses().get(thing)):
        lines += ["", f":First used in: :chapter:`{number(chapter)}`", ""]
    for path in chapters():
        app.env.note_dependency(str(path))


def skip_member(app: Any, what: str, name: str, thing: Any, skip: bool, _: Any) -> bool | None:
    """Leave out the fields of tuples, which the signature shows, and what is listed elsewhere."""
    module = app.env.temp_data.get("autodoc:module", "")
    package = sys.modules[module.rpartition(".")[0] or module]
    exported = package.__name__ != "ntm_tutorial" and name in getattr(package, "__all__", ())
    listed = what == "module" and exported and is_definition(thing)
    return True if listed or type(thing).__name__ == "_tuplegetter" else None


def mend_signatures(app: Any, page: str, template: str, context: dict[str, Any], _: Any) -> None:
    """Write the lines of a signature as lines; Sphinx makes them a list that lacks its terms."""

    def mend(signature: re.Match[str]) -> str:
        text = signature[0].replace("<dl>", '<span class="sig-lines">').replace("<dd>", "<span>")
        return text.replace("</dl>", "</span>").replace("</dd>", "</span>")

    context["body"] = re.sub(r'(?s)<dt class="sig .*?</dt>', mend, context.get("body", ""))


def setup(app: Any) -> dict[str, bool]:
    app.add_role("equation", XRefRole(innernodeclass=nodes.inline, warn_dangling=True))
    app.connect("autodoc-process-docstring", finish_docstring, priority=900)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("missing-reference", find_equation)
    app.connect("html-page-context", mend_signatures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
