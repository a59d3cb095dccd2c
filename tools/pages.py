"""A Sphinx extension: pages that ask no other site for anything, raise no error, and load fast.

The book serves its own MathJax. The files come from the pinned package sphinx-mathjax-offline and
not from this repository, whose history they would grow by megabytes with each version. Of that
package's 24 MB the pages need one script and its fonts, 1.5 MB in all; and the script must be, byte
for byte, what MathJax published.

Jupyter Book declares Thebe's script twice, which throws an error on every page. The book starts no
kernel from a page, so it leaves Thebe out. The theme draws its icons twice, from a font and by a
script of 1.5 MB; the font is enough.
"""

import re
from hashlib import sha256
from importlib.metadata import files
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.fileutil import copy_asset

PACKAGE = "sphinx-mathjax-offline"
SCRIPT = "tex-chtml.js"
FONTS = "output/chtml/fonts/woff-v2"
SHA256 = "0a6ded5abbce13331658dd239f34382abd06492c74b71b61e8caa8112ec55fa5"
"""Of es5/tex-chtml.js in MathJax 3.2.2."""

ICON_SCRIPT = "_static/scripts/fontawesome.js"
ICON = 'rel="icon"'


def mathjax() -> Path:
    """Return the folder in which the package keeps MathJax.

    Raises:
        ExtensionError: the script is not there, or not the one that MathJax published.
    """
    found = [Path(str(file.locate())) for file in files(PACKAGE) or [] if file.name == SCRIPT]
    if not found:
        raise ExtensionError(f"{PACKAGE} holds no {SCRIPT}: pip install -r requirements.txt")
    if sha256(found[0].read_bytes()).hexdigest() != SHA256:
        raise ExtensionError(f"{found[0]} is not MathJax 3.2.2 as it was published")
    return found[0].parent


def copy_mathjax(app: Any, failure: Exception | None) -> None:
    """Put the script and its fonts into the built site."""
    if failure is None and app.builder.format == "html":
        target = Path(app.outdir) / "_static" / "mathjax"
        copy_asset(mathjax() / SCRIPT, target)
        copy_asset(mathjax() / FONTS, target / FONTS)


def mend_pages(app: Any, failure: Exception | None) -> None:
    """Change what the theme's template leaves no other way to change.

    Its icon script goes. And a page is light until a script says otherwise: without scripts it
    would else be light but for the code, which asks the reader's system. A page that only forwards
    to another says that it has no icon: else the browser may ask for one that is not there.
    """
    if failure is None and app.builder.format == "html":
        (Path(app.outdir) / ICON_SCRIPT).unlink(missing_ok=True)
        tag = rf"<script[^>]*{re.escape(ICON_SCRIPT)}[^>]*></script>"
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            mended = re.sub(tag, "", text)
            mended = re.sub('(<html[^>]*data-theme=)"auto"', r'\1"light"', mended, count=1)
            if ICON not in mended:
                mended = f'<link {ICON} href="data:,"/>\n{mended}'
            if mended != text:
                page.write_text(mended, encoding="utf-8")


def drop_scripts(app: Any, page: str, template: str, context: dict[str, Any], *_: Any) -> None:
    """Leave out Thebe, and MathJax where a page has no mathematics.

    Sphinx gives it to the front page as well, for the sake of the chapters listed there.
    """
    needless = {"thebe"} if 'class="math' in context.get("body", "") else {"thebe", SCRIPT}
    for kind in ("script_files", "css_files"):
        context[kind] = [
            file
            for file in context.get(kind, [])
            if not any(name in str(file) for name in needless)
        ]


def mend_citations(app: Any, page: str, template: str, context: dict[str, Any], *_: Any) -> None:
    """Drop the role "list" that docutils gives to what holds no list items."""
    wrong, right = '<div role="list" class="citation-list">', '<div class="citation-list">'
    context["body"] = context.get("body", "").replace(wrong, right)


def free_pictures(app: Any, document: nodes.document, *_: Any) -> None:
    """Let a picture's height follow from its width; on paper, let its own resolution decide both.

    The output of a sharp picture says how large it is on a screen, and a phone's is narrower.
    """
    for image in document.findall(nodes.image):
        if "width" in image and "height" in image:
            del image["height"]
            if app.builder.format == "latex":
                del image["width"]


def setup(app: Any) -> dict[str, bool]:
    app.config.mathjax_path = f"mathjax/{SCRIPT}"
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", mend_pages, priority=900)  # when all pages are there
    app.connect("doctree-resolved", free_pictures)
    app.connect("html-page-context", drop_scripts, priority=900)
    app.connect("html-page-context", mend_citations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
