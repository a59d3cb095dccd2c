"""The index of figures is whole, and so are the glossary and the notation page."""

import json
import re
from pathlib import Path

from mdit_py_plugins.anchors.index import slugify

from tests.each import each
from tests.test_book import parse
from tools.links import ROOT
from tools.paper import chapters, counterparts, number

FIGURES = range(1, 19)
GLOSSARY = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
EMPHASIS = {
    "a count",
    "a way back",
    "an unfinished model",
    "counts fade",
    "eight",
    "five",
    "not finished",
    "one more row",
    "old bits drop out",
    "seven",
    "three",
    "which",
}
"""In bold, and no term."""

OTHER_WORDS = {"Paired comparison": "pairing", "R squared": "R^2", "Episode": "sequence"}
"""How the chapter puts it."""


def text_of(chapter: int) -> str:
    """Return all that a chapter says."""
    (notebook,) = (notebook for path, notebook in chapters().items() if number(path) == chapter)
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def terms() -> dict[str, int]:
    """Map each term of the glossary to the chapter that introduces it."""
    body = GLOSSARY.partition("```{glossary}")[2].partition("\n```")[0]
    found: dict[str, int] = {}
    for entry in re.split(r"\n\n(?=\S)", body.partition("\n\n")[2].strip()):
        names = [line for line in entry.splitlines() if not line.startswith(" ")]
        (chapter,) = re.findall(r"\{chapter\}`(\d+)`$", entry) or [0]
        found |= dict.fromkeys(names, int(chapter))
    return found


def stem(word: str) -> str:
    """Return what the forms of a word have in common: erase, erases, erasing; blur, blurred."""
    return re.sub(r"(ation|ing|es|ed|s|e|y)$", "", word.lower())


@each("term", terms())
def test_a_term_names_a_chapter_that_has_it(term: str) -> None:
    words = [
        re.escape(stem(word)) + r"\w*" for word in re.split(r"[\s-]", OTHER_WORDS.get(term, term))
    ]
    assert re.search(r"[\s-]+".join(words), text_of(terms()[term]), re.IGNORECASE)


def test_the_glossary_has_every_term_that_a_chapter_introduces() -> None:
    """A term stands in bold where it is introduced; a sentence in bold is not a term."""
    known = {stem(term): chapter for term, chapter in terms().items()}
    for path in chapters():
        for bold in re.findall(r"\*\*([a-z][a-z-]*(?: [a-z-]+){0,2})\*\*", text_of(number(path))):
            if bold in EMPHASIS:
                continue
            found = [chapter for term, chapter in known.items() if stem(bold).startswith(term)]
            assert found, f"{path.name}: {bold} is not in the glossary"
            assert min(found) <= number(path), f"{path.name}: {bold} is introduced in {found}"


def test_the_front_page_gives_each_chapter_the_time_that_it_states() -> None:
    front = (ROOT / "book" / "intro.md").read_text()
    for path, notebook in chapters().items():
        (card,) = re.findall(rf":link: ../notebooks/{path.stem}\n((?:(?!:::).*\n)+)", front)
        stated = re.search(r"\*\*Time:\*\* (\d+) minutes", notebook.cells[0].source)
        assert not stated or f" {stated[1]} minutes*" in card, path.name


def headings(page: Path) -> set[str]:
    """Return what the headings of a page or chapter are called in links."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    code = r"^(`{3,}|:{3,})[^\n]*\n.*?^\1$"
    text = re.sub(code, "", text, flags=re.MULTILINE | re.DOTALL)
    return {slugify(title) for title in re.findall(r"^#{1,3} (.+)$", text, re.MULTILINE)}


def questions() -> dict[str, list[str]]:
    """Map each question that readers ask to the links of its answer."""
    text = GLOSSARY.partition("## Questions that readers ask")[2]
    found = re.findall(r"^(\S.*)\n: ((?:.+\n?)+)", text, re.MULTILINE)
    return {question: re.findall(r"\]\(([^)]+)\)", answer) for question, answer in found}


@each("question", questions())
def test_a_question_that_readers_ask_leads_to_where_it_is_answered(question: str) -> None:
    assert questions()[question]
    for link in questions()[question]:
        page, _, place = link.partition("#")
        assert place in {"", *headings(ROOT / "book" / page)}, link


def test_all_that_readers_complain_of_is_asked() -> None:
    asked = "\n".join(questions())
    for word in (
        "own memory", "vague storage", "feed-forward", "rows are equal", "negative sharpening",
        "not learn", "NaN", "forget", "generalise", "slow", "seed", "command", "weights",
        "versions", "Colab", "GPU", "sliders", "solutions", "differs", "dark",
    ):  # fmt: skip
        assert word in asked, word


def test_every_figure_and_table_of_the_paper_is_listed() -> None:
    text = (ROOT / "book" / "figures.md").read_text(encoding="utf-8")
    figures, tables = text.split("## Tables")
    for pattern in (r"grid-item-card\} Figure (\d+) ·", r"\{ours\}`(\d+)`"):
        assert re.findall(pattern, figures) == [str(n) for n in FIGURES]
    assert re.findall(r"^\| (\d+) \|", tables, re.MULTILINE) == ["1", "2", "3"]
    assert set(counterparts()) == set(FIGURES)


def test_the_index_links_to_every_figure_that_names_one_of_the_papers(site: Path) -> None:
    page = parse(site / "book" / "figures.html")
    for original, found in counterparts().items():
        card = page.select(".sd-card")[original - 1]
        links = [str(link["href"]) for link in card.select("a")]
        wanted = [f"../notebooks/{path.stem}.html#{name}" for name, path in found]
        assert not set(wanted) - set(links), original
        (picture,) = card.select("a img.thumbnail")
        assert picture.parent and picture.parent["href"] == wanted[0]
        file = site / "book" / str(picture["src"])
        assert file.name.startswith(found[0][0]), "the figure itself, small"
        assert 2_000 < file.stat().st_size < 90_000


def test_the_notation_page_has_every_symbol_of_the_equations() -> None:
    page = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")
    names, equations = page.split("## Equations")
    for symbol in (
        r"\mathbf M_t", r"\tilde{\mathbf M}_t", r"\mathbf w_t", r"\mathbf r_t", r"\mathbf e_t",
        r"\mathbf a_t", r"\mathbf k_t", r"\beta_t", r"K[\mathbf u, \mathbf v]", r"\mathbf w^c_t",
        "g_t", r"\mathbf w^g_t", r"\mathbf s_t", r"\tilde{\mathbf w}_t", r"\gamma_t", r"\mathbf c",
        "N_0", "N_1", "$i$", "$j$", "$t$", r"\mathbf 1",
    ):  # fmt: skip
        assert symbol in names, symbol
    labels = re.findall(r"\$\$ \(eq-[\w-]+\)", equations)
    assert len(labels) == 10
