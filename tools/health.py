"""A Sphinx extension: ``{health}`` is the table of when each notebook was executed, and on what.

It is made of the record that `tools/execute.py` keeps, and says what changed since.
"""

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from tools.execute import LIBRARIES, RECORDS, ROOT, changes, read_records

STATES = {
    (): "as executed",
    ("notebook",): "its code changed",
    ("package",): "the package changed",
    ("notebook", "package"): "its code and the package changed",
}


class Health(SphinxDirective):
    """The table of the health page."""

    def run(self) -> list[nodes.Node]:
        folder = ROOT / "notebooks"
        records = read_records(folder)
        self.env.note_dependency(str(folder / RECORDS))
        lines = [
            "| chapter | executed (UTC) | took | state | versions |",
            "|---|---|---|---|---|",
        ]
        for path in sorted(folder.glob("*.ipynb")):
            self.env.note_dependency(str(path))
            cells = [f"[](../notebooks/{path.name})"]
            if entry := records.get(path.stem):
                state = STATES[tuple(changes(path))]
                names = ("python", *LIBRARIES)
                versions = ", ".join(f"{name} {entry['versions'][name]}" for name in names)
                cells += [entry["executed"], f"{entry['seconds']:.0f} s", state, versions]
            else:
                cells += ["no record", "", "", ""]
            lines.append(f"| {' | '.join(cells)} |")
        parent = nodes.container(classes=["health"])
        self.state.nested_parse(StringList(lines, source=RECORDS), self.content_offset, parent)
        return [parent]


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("health", Health)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
