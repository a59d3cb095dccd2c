"""A Sphinx extension: roles that say what is where in the book.

``{ours}`14` `` links to the figures that the paper's Figure 14 became here. A caption says so
itself: "The paper's Figure 14 from our own models". ``{chapter}`4` `` links to chapter 4.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxRole

ROOT = Path(__file__).resolve().parent.parent
CAPTION = re.compile(r"\bthe paper's Figure (\d+)", re.IGNORECASE)


@cache
def chapters() -> dict[Path, Any]:
    """Read all chapters, in their order; a notebook without a number is none."""
    paths = sorted(ROOT.glob("notebooks/[0-9][0-9]_*.ipynb"))
    return {path: nbformat.read(path, as_version=4) for path in paths}


def number(path: Path) -> int:
    """Return the number of a chapter."""
    return int(path.stem.partition("_")[0])


def counterparts() -> dict[int, list[tuple[str, Path]]]:
    """Map each number of the paper's figures to ours, by name, and their chapters."""
    found: dict[int, list[tuple[str, Path]]] = {}
    for path, notebook in chapters().items():
        for cell in notebook.cells:
            figure = cell.metadata.get("mystnb", {}).get("figure", {})
            for original in CAPTION.findall(figure.get("caption", "")):
                found.setdefault(int(original), []).append((figure["name"], path))
    return found


class Ours(SphinxRole):
    """Links to the figures of this book that one of the paper's became."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        for path in chapters():
            self.env.note_dependency(str(path))
        found = counterparts().get(int(self.text))
        if not found:
            message = f"no caption names the paper's Figure {self.text}"
            return [], [self.inliner.reporter.error(message, line=self.lineno)]
        links: list[nodes.Node] = []
        for place, (name, path) in enumerate(found):
            text = nodes.Text(", " if place else "")
            links += [text, _link("numref", name, "Fig. %s"), nodes.Text(" in ")]
            links.append(_link("doc", f"/notebooks/{path.stem}", f"chapter {number(path)}"))
        return [*links, nodes.Text(".")], []


def _link(kind: str, target: str, text: str) -> addnodes.pending_xref:
    """Make a link for Sphinx to resolve, with a warning if it cannot."""
    about = {"refdomain": "std", "reftype": kind, "reftarget": target, "refexplicit": True}
    return addnodes.pending_xref("", nodes.inline("", text), refwarn=True, **about)


class Chapter(SphinxRole):
    """A link to a chapter by its number."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        for path in chapters():
            if str(number(path)) == self.text:
                return [_link("doc", f"/notebooks/{path.stem}", f"Chapter {self.text}")], []
        message = f"there is no chapter {self.text}"
        return [], [self.inliner.reporter.error(message, line=self.lineno)]


def setup(app: Any) -> dict[str, bool]:
    app.add_role("ours", Ours())
    app.add_role("chapter", Chapter())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
