"""A Sphinx extension: playgrounds on the pages that ask for one.

A page asks with `<div class="playground" data-playground="copy">`, and gets the scripts of
`book/_static/playground`. The site gets the trained weights: `tools.machines` writes them from
the files that the package keeps, so that they are not committed a second time.
"""

import re
from pathlib import Path
from typing import Any

SCRIPTS = (
    "machines.js",
    "transformer.js",
    "dnc.js",
    "weights.js",
    "weights/catalogue.js",
    "tasks.js",
    "interface.js",
    "sequences.js",
    "sorting.js",
    "addressing.js",
    "ngrams.js",
)
BENCH = ("interface.js", "learning.js", "bench.js")
"""What a page needs where a machine learns in it."""
KINDS = {"learning", "failure-lab"}
"""The playgrounds in which a machine learns."""


def write_weights(app: Any) -> None:
    if app.builder.format != "html":
        return
    from tools import machines  # here, because it takes PyTorch two seconds

    machines.write(Path(app.outdir) / "_static" / "playground" / "weights")


def add_scripts(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    kinds = set(re.findall('data-playground="([^"]+)"', context.get("body", "")))
    if not kinds:
        return
    app.add_css_file("playground/playground.css")
    needed = SCRIPTS * bool(kinds - KINDS) + BENCH * bool(kinds & KINDS)
    for script in dict.fromkeys((*needed, "start.js")):
        app.add_js_file(f"playground/{script}", loading_method="defer")


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", write_weights)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
