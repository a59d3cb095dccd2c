"""The PDF edition: its LaTeX is whole, and `make pdf` finds or installs what sets it."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

import tools.pdf
from tests.conftest import build
from tests.test_book import listed, parse
from tools.links import ROOT, pages_url, project_url

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(site: Path) -> Path:
    """Write the book as LaTeX, beside its pages, and return where."""
    build(site.parents[1], "latex")
    return site.parent / "latex"


@pytest.fixture(scope="module")
def latex(folder: Path) -> str:
    return (folder / f"{tools.pdf.NAME}.tex").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def stills(folder: Path, site: Path) -> list[str]:
    """Take the playgrounds' stills, and return their names."""
    return tools.pdf.take_stills(site, folder)


def chapters(latex: str) -> list[str]:
    """Return the LaTeX of each chapter."""
    return re.split(r"(?=\\chapter\{)", latex.split(r"\begin{document}")[1])[1:]


def title(chapter: str) -> str:
    found = re.match(r"\\chapter\{(.*)\}", chapter)
    assert found
    return found[1].replace(r"\sphinxhyphen{}", "-")


def test_every_page_is_a_chapter_in_its_place(latex: str, site: Path) -> None:
    titles = [title(chapter) for chapter in chapters(latex)]
    pages = [parse(site / f"{name}.html") for name in listed()[1:]]  # the first is the front page
    headings = [page.find("h1") for page in pages]
    assert titles[0] == "Introduction"
    assert titles[1:] == [heading.get_text().removesuffix("#") for heading in headings if heading]


def test_a_chapter_has_the_number_of_its_notebook(latex: str) -> None:
    main = latex.split(r"\mainmatter")[1].split(r"\backmatter")[0]
    counted = re.findall(r"\\setcounter\{chapter\}\{(\d+)\}[^{}]*\\chapter\{.*\}\s.*/(\d+)_", main)
    # The quick start comes before the chapters, and the page on attention between two of them.
    assert len(counted) == sum(bool(re.match(r"notebooks/(?!00)\d", name)) for name in listed())
    assert all(int(before) + 1 == int(number) for before, number in counted), counted


def test_figures_have_the_numbers_that_they_have_on_the_pages(latex: str, site: Path) -> None:
    shown = [
        caption.get_text()
        for name in listed()
        for caption in parse(site / f"{name}.html").select("figcaption .caption-number")
    ]
    assert [int(number.split()[-1]) for number in shown] == list(range(1, len(shown) + 1))
    assert latex.count(r"\caption{") == len(shown)


def test_every_reference_has_its_target(latex: str) -> None:
    name = r"\{((?:\\detokenize\{[^}]*\}|[^{}])*)\}"
    targets = set(re.findall(r"\\label" + name, latex))
    used = re.findall(r"\\(?:(?:page|eq)?ref\*?|solutionat)" + name, latex)
    used += re.findall(r"\\hyperref\[((?:\\detokenize\{[^}]*\}|[^\[\]])*)\]", latex)
    assert len(used) > 100
    assert not sorted(set(used) - targets)


def test_solutions_stand_at_the_end_of_their_chapter(latex: str, site: Path) -> None:
    for chapter in chapters(latex):
        before, _, after = chapter.partition(r"\section{Solutions}")
        assert "Solution to Exercise" not in before, title(chapter)
        if after:
            assert r"\needspace" in before[-80:], "a page's foot is no place for the title alone"
        assert after.count("{Solution to Exercise") == before.count(r"\solutionat{"), title(chapter)
    solutions = sum(len(parse(site / f"{name}.html").select("div.solution")) for name in listed())
    assert latex.count("{Solution to Exercise") == solutions > 0


def test_code_that_a_page_folds_away_is_left_out(latex: str) -> None:
    folds = {"hide-input", "remove-cell", "remove-input", "exercise"}
    shown = sum(
        cell["cell_type"] == "code" and not folds & {*cell["metadata"].get("tags", [])}
        for path in ROOT.glob("notebooks/*.ipynb")
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
    )
    assert latex.count(r"\begin{sphinxuseclass}{cell_input}") == shown


def test_a_still_stands_for_each_playground(
    latex: str, folder: Path, site: Path, stills: list[str]
) -> None:
    home = f"{pages_url(project_url(ROOT))}/"
    asked = re.findall(r"\\playground\{([\w-]+)\}\{(\S+)\}", latex)
    alive = [
        (str(place["data-playground"]), f"{home}{page}.html")
        for page in listed()
        for place in parse(site / f"{page}.html").select("[data-playground]")
    ]
    assert asked == alive
    assert set(stills) == {name for name, _ in alive}
    for name in stills:
        with Image.open(folder / f"playground-{name}.png") as still:
            assert still.width > 1200
            assert len(still.convert("P").histogram()) > 20


def test_nothing_of_the_web_is_left(latex: str) -> None:
    assert not re.search(r"<(div|details|span|img)|data-playground|front-|sd-card", latex)


@pytest.mark.skipif(not tools.pdf.has_latex(), reason="XeLaTeX is not here; `make pdf` installs it")
@pytest.mark.usefixtures("stills")
def test_xelatex_sets_it(folder: Path, latex: str) -> None:
    counts = tools.pdf.report(tools.pdf.typeset(folder), latex)
    assert counts["pages"] > 100
    assert not [what for what in tools.pdf.TROUBLES if counts[what]], counts


def test_the_report_counts_what_the_log_tells() -> None:
    log = """
LaTeX Warning: Hyper reference `book/intro:fig' on page 3 undefined on input line 7.
LaTeX Warning: Reference `eq' on page 3 undefined on input line 9.
Missing character: There is no ☃ (U+2603) in font TeXGyrePagella!
Overfull \\hbox (4.99pt too wide) in paragraph at lines 1--2
Overfull \\hbox (49.9pt too wide) in paragraph at lines 1--2
Output written on ntm-tutorial.xdv (228 pages, 1 bytes).
"""
    assert tools.pdf.report(log, r"\begin{figure}[htb]") == {
        "pages": 228,
        "figures": 1,
        "undefined references": 2,
        "missing characters": 1,
        "lines wider than the page": 1,
    }


@pytest.mark.parametrize(("root", "commands"), [(True, ["update", "install"]), (False, [])])
def test_a_missing_xelatex_is_installed_or_asked_for(
    root: bool,
    commands: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(tools.pdf, "has_latex", lambda: len(ran) == 2)
    monkeypatch.setattr(tools.pdf, "run", lambda *command: ran.append(command[1]))
    monkeypatch.setattr(tools.pdf.os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(tools.pdf.shutil, "which", lambda name: f"/usr/bin/{name}")
    if root:
        tools.pdf.need_latex()
    else:
        with pytest.raises(SystemExit, match="apt install texlive-xetex"):
            tools.pdf.need_latex()
    assert ran == commands


def test_what_latex_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "latexmk"
    log = "! Undefined control sequence.\nl.7 \\what\n\n\n"
    (tmp_path / f"{tools.pdf.NAME}.log").write_text(log, encoding="utf-8")
    program.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(SystemExit, match="Undefined control sequence"):
        tools.pdf.typeset(tmp_path)
