"""A Sphinx extension: roles that say what is where in the book.

``{ours}`14` `` shows what the paper's Figure 14 became here, small, and links to it. A caption says
so itself: "The paper's Figure 14 from our own models". ``{chapter}`4` `` links to chapter 4.

The small pictures are made from the notebooks' outputs at each build, beside Sphinx's own files.
"""

import base64
import io
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from PIL import Image
from sphinx import addnodes
from sphinx.util.docutils import SphinxRole

ROOT = Path(__file__).resolve().parent.parent
CAPTION = re.compile(r"\bthe paper's Figure (\d+)", re.IGNORECASE)
THUMBNAIL = (600, 480)
"""The size of a small picture at most, twice that at which it is shown."""


@cache
def chapters() -> dict[Path, Any]:
    """Read all chapters, in their order; a notebook without a number is none."""
    paths = sorted(ROOT.glob("notebooks/[0-9][0-9]_*.ipynb"))
    return {path: nbformat.read(path, as_version=4) for path in paths}


def number(path: Path) -> int:
    """Return the number of a chapter."""
    return int(path.stem.partition("_")[0])


def counterparts() -> dict[int, list[tuple[str, Path]]]:
    """Map each number of the paper's figures to ours, by name, and their chapters.

    A figure whose caption begins with the paper's comes before one that only mentions it.
    """
    found: dict[int, list[tuple[str, Path]]] = {}
    for path, notebook in chapters().items():
        for cell in notebook.cells:
            figure = cell.metadata.get("mystnb", {}).get("figure", {})
            for match in CAPTION.finditer(figure.get("caption", "")):
                ours = found.setdefault(int(match[1]), [])
                ours.insert(0 if match.start() == 0 else len(ours), (figure["name"], path))
    return found


def thumbnail(name: str, path: Path, folder: Path) -> tuple[Path, str]:
    """Write a figure of a notebook into a folder, small; return where, and what it shows."""
    (cell,) = (
        cell
        for cell in chapters()[path].cells
        if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == name
    )
    (drawn,) = (
        output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})
    )
    image = Image.open(io.BytesIO(base64.b64decode(drawn))).convert("RGB")
    image.thumbnail(THUMBNAIL)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.png"
    image.quantize(128).save(file, optimize=True)
    return file, cell.metadata["mystnb"]["image"]["alt"]


class Ours(SphinxRole):
    """The figure of this book that one of the paper's became, small; and links to all that did."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        for path in chapters():
            self.env.note_dependency(str(path))
        found = counterparts().get(int(self.text))
        if not found:
            message = f"no caption names the paper's Figure {self.text}"
            return [], [self.inliner.reporter.error(message, line=self.lineno)]
        file, alt = thumbnail(*found[0], Path(self.env.doctreedir) / "thumbnails")
        place_of_file = "/" + Path(os.path.relpath(file, self.env.srcdir)).as_posix()
        picture = nodes.image(uri=place_of_file, alt=alt, classes=["thumbnail"])
        links: list[nodes.Node] = [_link("keyword", found[0][0], picture)]
        for place, (name, path) in enumerate(found):
            text = nodes.Text(", " if place else "")
            links += [text, _link("numref", name, "Fig. %s"), nodes.Text(" in ")]
            links.append(_link("doc", f"/notebooks/{path.stem}", f"chapter {number(path)}"))
        return [*links, nodes.Text(".")], []


def _link(kind: str, target: str, shown: str | nodes.Node) -> addnodes.pending_xref:
    """Make a link for Sphinx to resolve, with a warning if it cannot."""
    about = {"refdomain": "std", "reftype": kind, "reftarget": target, "refexplicit": True}
    inner = nodes.inline("", shown) if isinstance(shown, str) else shown
    return addnodes.pending_xref("", inner, refwarn=True, **about)


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
