"""Make the PDF edition of the book: ``make pdf`` builds its pages and its LaTeX, and calls this.

Sphinx wrote the LaTeX, put in order by `tools/printing.py`; the browser takes a still of each
playground; XeLaTeX sets it all. Where there is no XeLaTeX, and we are root on a Debian, apt
supplies it. At the end stands what the reader of a log would look for; an undefined reference or a
character that the fonts lack is an error.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tools.browser import launch, run
from tools.links import ROOT

BUILD = ROOT / "_build"
LATEX = BUILD / "latex"
NAME = "ntm-tutorial"
PDF = BUILD / "pdf" / f"{NAME}.pdf"

PACKAGES = (ROOT / "tools" / "latex.txt").read_text(encoding="utf-8").split()
"""What Debian and Ubuntu call what XeLaTeX needs for the book: about 120 MB to download."""

NEEDED = ("unicode-math.sty", "titlesec.sty", "texgyrepagella-math.otf", "DejaVuSansMono.ttf")
"""Of each large package one file, by which to see that it is there."""

WIDTH = 900
"""Of the window that a still is taken in, in CSS pixels: the widest without a side bar."""

TROUBLES = {
    "undefined references": r"Warning: (?:Hyper reference|Reference|Citation) `.*?' .*undefined",
    "missing characters": r"Missing character: There is no",
    "lines wider than the page": r"Overfull \\hbox \((?:[5-9]|\d\d+)\.\d+pt too wide\)",
}
"""What XeLaTeX's log tells of and a book must not have. Less than 5 pt, 1.8 mm, nobody sees."""


def has_latex() -> bool:
    """Tell whether XeLaTeX, and all that the book asks of it, is there."""
    if not all(shutil.which(program) for program in ("xelatex", "latexmk", "kpsewhich")):
        return False
    found = subprocess.run(["kpsewhich", *NEEDED], capture_output=True, text=True, check=False)
    return len(found.stdout.split()) == len(NEEDED)


def need_latex() -> None:
    """Install what is missing, or say what is."""
    if not has_latex() and shutil.which("apt-get") and os.geteuid() == 0:
        print("The PDF needs XeLaTeX; installing it. This takes a few minutes.")
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES)
    if not has_latex():
        sys.exit(
            "The PDF needs XeLaTeX with some packages and fonts. On Debian or Ubuntu, as root:\n"
            f"apt install {' '.join(PACKAGES)}\nElsewhere: TeX Live, and the DejaVu fonts."
        )


def take_stills(site: Path, folder: Path) -> list[str]:
    """Take the front page's drawing and each playground, as they stand when a page opens.

    Returns the names of the playgrounds; `playground-NAME.png` is then in the folder.
    """
    stills: list[str] = []
    with sync_playwright() as playwright, launch(playwright) as browser:
        page = browser.new_page(
            viewport={"width": WIDTH, "height": 1000},
            device_scale_factor=2,
            color_scheme="light",
            reduced_motion="reduce",
        )
        page.goto((site / "book" / "intro.html").as_uri())
        page.locator(".front-picture").screenshot(path=folder / "front.png")
        for path in sorted(site.rglob("*.html")):
            names = re.findall(r'data-playground="([\w-]+)"', path.read_text(encoding="utf-8"))
            for name in names:
                if name in stills:
                    continue
                page.goto(path.as_uri())
                place = page.locator(f"[data-playground={name}]")
                place.scroll_into_view_if_needed()
                place.locator("input").first.wait_for()
                place.screenshot(path=folder / f"playground-{name}.png")
                stills.append(name)
    return stills


def typeset(folder: Path) -> str:
    """Run XeLaTeX on the book in a folder, as often as it takes, and return its log.

    Raises:
        SystemExit: it found an error.
    """
    done = subprocess.run(
        ["latexmk", "-xelatex", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error",
         f"{NAME}.tex"],
        env={**os.environ, "max_print_line": "1000"},  # else it breaks the lines of its log
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    log = (folder / f"{NAME}.log").read_text(encoding="utf-8", errors="replace")
    if done.returncode:
        errors = re.findall(r"^(?:\S+:\d+: |! ).*(?:\n.*){3}", log, re.MULTILINE)
        sys.exit("\n".join(errors) or done.stdout + done.stderr)
    return log


def report(log: str, latex: str) -> dict[str, int]:
    """Count what a reader of the log would look for."""
    counts = {what: len(re.findall(pattern, log)) for what, pattern in TROUBLES.items()}
    pages = re.findall(r"Output written on .*?\((\d+) page", log)
    return {"pages": int(pages[-1]), "figures": latex.count(r"\begin{figure}"), **counts}


def main() -> None:
    need_latex()
    take_stills(BUILD / "html", LATEX)
    log = typeset(LATEX)
    PDF.parent.mkdir(exist_ok=True)
    shutil.copy(LATEX / PDF.name, PDF)
    counts = report(log, (LATEX / f"{NAME}.tex").read_text(encoding="utf-8"))
    told = ", ".join(f"{count} {what}" for what, count in counts.items())
    print(f"The book is in {PDF.relative_to(ROOT)}: {told}")
    if any(counts[what] for what in TROUBLES):
        sys.exit(f"{LATEX.relative_to(ROOT)}/{NAME}.log tells where")


if __name__ == "__main__":
    main()
