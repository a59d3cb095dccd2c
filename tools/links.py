"""Write the project's URL everywhere it stands: ``make links``, or ``make links URL=...``.

Its one source is ``Repository`` in pyproject.toml; with an argument it is changed there first. From
it come the Colab links, the notebooks' setup cells, and the lines of other files that ``MENTION``
recognises.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "CITATION.cff", "_config.yml")

SETUP = """\
# On Colab, install this book's package. Elsewhere, do nothing.
try:
    import google.colab  # noqa: F401

    import ntm_tutorial  # noqa: F401
except ModuleNotFoundError as missing:
    if missing.name == "ntm_tutorial":
        %pip install -q "ntm-tutorial @ git+{url}"\
"""
"""The setup cell of every notebook."""

BADGE = (
    "[Open in Colab](https://colab.research.google.com/github/{slug}/blob/main/notebooks/{name})"
)
"""The link under every notebook's title. `book/_static/custom.css` makes a badge of it."""

MENTION = re.compile(
    r"""(colab\.research\.google\.com/github/
        |mybinder\.org/v2/gh/
        |git\+https://github\.com/
        |git\ clone\ https://github\.com/
        |^\s*url:\ https://github\.com/               # _config.yml
        |^repository-code:\ "?https://github\.com/    # CITATION.cff
        |https://github\.com/(?=[^/\s]+/[^/\s]+/(?:actions/workflows|issues/new)\b)
        )[\w.-]+/[\w.-]+""",
    re.VERBOSE | re.MULTILINE,
)
"""The ways in which a file may mention the project's URL, up to and with its owner/name."""


def project_url(root: Path) -> str:
    """Return the project's URL as pyproject.toml has it."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return settings["project"]["urls"]["Repository"]


def slug(url: str) -> str:
    """Return owner/name of a project on GitHub, which is where Colab looks for notebooks."""
    match = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+)", url)
    if not match:
        raise ValueError(f"url: expected https://github.com/OWNER/NAME, got {url!r}")
    return match[1]


def pages_url(url: str) -> str:
    """Return the address at which GitHub Pages serves the project's book."""
    owner, name = slug(url).split("/")
    return f"https://{owner}.github.io/{name}"


def set_project_url(root: Path, url: str) -> None:
    """Change the URL in pyproject.toml."""
    slug(url)
    path = root / "pyproject.toml"
    path.write_text(
        re.sub(
            r'(?m)^Repository = ".*"$', f'Repository = "{url}"', path.read_text(encoding="utf-8")
        ),
        encoding="utf-8",
    )


def badge(url: str, name: str) -> str:
    """Return the Colab link of the notebook with this file name."""
    return BADGE.format(slug=slug(url), name=name)


def setup_cell(url: str) -> str:
    """Return the source of every notebook's setup cell."""
    return SETUP.format(url=url)


def render_notebook(text: str, url: str, name: str) -> str:
    """Return the notebook with the Colab link and the setup cell that this URL gives."""
    notebook = json.loads(text)
    title, *others = notebook["cells"]
    source = "".join(title["source"])
    link = badge(url, name)
    source = re.sub(r"\[Open in Colab\]\([^)]*\)", lambda _: link, source)
    title["source"] = source.splitlines(keepends=True)
    for cell in others:
        if "setup" in cell["metadata"].get("tags", []):
            cell["source"] = setup_cell(url).splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def render(root: Path) -> dict[Path, str]:
    """Return every file that must change for the whole project to have one URL, as it must be."""
    url = project_url(root)
    pages = [root / name for name in PAGES] + sorted(root.glob("book/*.md"))
    wanted = {
        path: MENTION.sub(rf"\g<1>{slug(url)}", path.read_text(encoding="utf-8")) for path in pages
    }
    for path in sorted(root.glob("notebooks/*.ipynb")):
        wanted[path] = render_notebook(path.read_text(encoding="utf-8"), url, path.name)
    return {path: text for path, text in wanted.items() if text != path.read_text(encoding="utf-8")}


def main() -> None:
    if len(sys.argv) > 1:
        set_project_url(ROOT, sys.argv[1])
    changed = render(ROOT)
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
        print("wrote", path.relative_to(ROOT))
    print(f"{project_url(ROOT)}: {len(changed)} files changed")


if __name__ == "__main__":
    main()
