"""A Sphinx extension: ``{health}`` is the table of when each notebook was executed, and on what.

It is made of the record that `tools/execute.py` keeps, and says what changed since.
"""

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from tools.execute import LIBRARIES, RECORDS, ROOT, changes, read_records

STATES = {
    (): "same",
    ("notebook",): "chapter changed",
    ("package",): "package changed",
    ("notebook", "package"): "both changed",
}


class Health(SphinxDirective):
    """The table of the health page and, below it, the versions that its letters stand for."""

    def run(self) -> list[nodes.Node]:
        folder = ROOT / "notebooks"
        lines = ["| chapter | executed | took | on | code since |", "|---|---|---|---|---|"]
        sets: list[dict[str, str]] = []
        records = read_records(folder)
        for path in sorted(folder.glob("*.ipynb")):
            cells = [f"[](../notebooks/{path.name})", "no record", "", "", ""]
            if entry := records.get(path.stem):
                if entry["versions"] not in sets:
                    sets.append(entry["versions"])
                letter = chr(ord("A") + sets.index(entry["versions"]))
                took, state = f"{entry['seconds']:.0f} s", STATES[tuple(changes(path))]
                cells[1:] = [entry["executed"].split()[0], took, letter, state]
            lines.append(f"| {' | '.join(cells)} |")
            self.env.note_dependency(str(path))
        self.env.note_dependency(str(folder / RECORDS))
        lines.append("")
        for place, versions in enumerate(sets):
            names = ", ".join(f"{name} {versions[name]}" for name in ("python", *LIBRARIES))
            lines.append(f"- **{chr(ord('A') + place)}**: {names}")
        parent = nodes.container(classes=["health"])
        self.state.nested_parse(StringList(lines, source=RECORDS), self.content_offset, parent)
        return [parent]


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("health", Health)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
