"""A Sphinx extension: leave Thebe out of the pages.

Jupyter Book declares Thebe's script twice, which throws an error on every page. The book starts no
kernel from a page, so it needs none of it.
"""

from typing import Any


def drop_thebe(app: Any, page: str, template: str, context: dict[str, Any], *_: Any) -> None:
    for files in ("script_files", "css_files"):
        context[files] = [file for file in context.get(files, []) if "thebe" not in str(file)]


def setup(app: Any) -> dict[str, bool]:
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
