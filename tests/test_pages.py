"""Every page of the book, in a real browser: whole, quiet, accessible, readable in the dark.

The ``visit`` fixture fails each test whose page asks another site for something, misses a file or
writes an error to the console. With SCREENSHOTS=1 in the environment, pictures of each page that is
looked at, in both themes, are left in `_build/screenshots`.
"""

import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from sphinx.errors import ExtensionError

import tools.pages
from ntm_tutorial.plots.style import PAPER
from tests.browser import DESKTOP, PHONE, Tally, Visit, axe_violations
from tests.each import by_turns
from tests.test_book import listed
from tools.links import ROOT

Theme = Literal["light", "dark"]
SCREENSHOTS = ROOT / "_build" / "screenshots"


def pages() -> list[str]:
    """Return the address of each page of the book, and of those that Sphinx adds."""
    return [f"{name}.html" for name in (*listed(), "genindex", "search")]


CODE_COLOURS = """(cell) => {
  const opaque = (element) => {
    const { backgroundColor } = getComputedStyle(element);
    return /, 0\\)$/.test(backgroundColor) ? opaque(element.parentElement) : backgroundColor;
  };
  const words = cell.querySelector("pre span.n") ?? cell.querySelector("pre");
  return [opaque(words), getComputedStyle(words).color];
}"""


def contrast(*colours: str) -> float:
    """Return how far two colours, as CSS writes them, differ in brightness: 1 to 21."""

    def brightness(colour: str) -> float:
        shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted(brightness(colour) for colour in colours)
    return (high + 0.05) / (low + 0.05)


def wear(page: Page, theme: str) -> None:
    """Let the reader's system ask for another theme, and wait until the page follows."""
    page.emulate_media(color_scheme=theme)
    page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)


def wake_playgrounds(page: Page) -> None:
    """Scroll to each playground, which starts it, wait until it has drawn, and scroll back."""
    for place in page.locator("[data-playground]").all():
        place.scroll_into_view_if_needed()
        expect(place.locator("input").first).to_be_visible()
    page.evaluate("() => scrollTo(0, 0)")


def keep_picture(page: Page, address: str, name: str) -> None:
    """Leave a screenshot of the whole page among the build's artefacts, where they are wanted."""
    if not os.environ.get("SCREENSHOTS"):
        return
    picture = SCREENSHOTS / f"{Path(address).stem}_{name}.jpg"
    page.screenshot(path=picture, full_page=True, type="jpeg", quality=60, animations="disabled")


def figures_keep_their_paper(page: Page) -> None:
    """Ink on light paper, whole and unfiltered: what can be read by day can be read by night."""
    looks = page.locator("article :is(.cell_output, figure) img").evaluate_all(
        "images => images.map(image => getComputedStyle(image))"
        ".map(look => [look.backgroundColor, look.filter, look.opacity])"
    )
    red, green, blue = bytes.fromhex(PAPER.removeprefix("#"))
    assert looks
    assert all(look == [f"rgb({red}, {green}, {blue})", "none", "1"] for look in looks), looks


@pytest.mark.parametrize(
    ("address", "name", "width", "first", "from_file"),
    by_turns(pages(), [("desktop", DESKTOP, "light", False), ("phone", PHONE, "dark", True)]),
)
def test_a_page_is_whole(
    address: str, name: str, width: int, first: str, from_file: bool, visit: Visit, tally: Tally
) -> None:
    """On a large screen from a server, on a phone as a file; axe sees each in another theme."""
    page = visit(address, width=width, theme=first, from_file=from_file).page
    wake_playgrounds(page)
    violations = axe_violations(page)
    tally("pages opened", 1)
    tally("serious axe violations", len(violations))
    assert not violations, "\n".join(violations)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    keep_picture(page, address, f"{name}_{first}")
    other = "dark" if first == "light" else "light"
    wear(page, other)
    keep_picture(page, address, f"{name}_{other}")
    if address.startswith("notebooks"):
        wear(page, "dark")
        figures_keep_their_paper(page)


def test_the_front_page_shows_a_machine_at_work(visit: Visit) -> None:
    page = visit("index.html").page
    page.wait_for_url("**/book/intro.html")
    wake_playgrounds(page)
    expect(page.locator("[data-playground] canvas").first).to_be_visible()


def test_no_page_leaves_it_to_the_browser_to_guess_an_icon(site: Path) -> None:
    """It would ask for /favicon.ico, which is not there; also on a page that only forwards."""
    for page in ("index.html", "notebooks/14_projects.html", "book/intro.html"):
        assert '<link rel="icon" href=' in (site / page).read_text(encoding="utf-8"), page


def test_mathematics_is_set(visit: Visit) -> None:
    page = visit("book/notation.html", from_file=True).page
    formulas = page.locator(".math")
    assert formulas.count() > 50
    assert page.locator(".math mjx-container").count() == formulas.count()
    assert page.locator(".math mjx-merror").count() == 0
    assert page.evaluate("() => document.fonts.check('16px MJXTEX')")


def test_a_wide_formula_scrolls_by_keyboard_and_only_where_it_must(visit: Visit) -> None:
    page = visit("book/notation.html", width=PHONE).page
    wide = page.locator("mjx-container[display][tabindex='0']")
    expect(wide.first).to_be_attached()
    page.set_viewport_size({"width": 2 * DESKTOP, "height": 900})
    expect(wide).to_have_count(0)


def test_the_reader_can_change_the_theme(visit: Visit) -> None:
    page = visit("book/intro.html").page
    html, button = page.locator("html"), page.get_by_role("button", name="Color mode").first
    for theme in ("dark", "light"):
        button.click()
        expect(html).to_have_attribute("data-mode", theme)
        expect(html).to_have_attribute("data-theme", theme)


@pytest.mark.parametrize("from_file", [False, True])
def test_the_search_finds(from_file: bool, visit: Visit) -> None:
    page = visit("search.html?q=sharpening", from_file=from_file).page
    expect(page.locator("#search-results li a").first).to_be_visible()


@pytest.mark.parametrize("query", ["constructor", '<b class="constructor">', "<img src=x>"])
def test_the_search_bears_any_words(query: str, visit: Visit) -> None:
    page = visit(f"search.html?q={quote(query)}").page
    expect(page.locator("#search-results p").first).to_contain_text(re.compile("search|Search"))
    page.wait_for_function("() => !document.querySelector('#search-progress')?.textContent")
    assert page.evaluate("(query) => Search.performSearch(query) ?? true", query)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_code_can_be_read_without_scripts(browser: Browser, server: str, theme: Theme) -> None:
    """What a script would set is there without one: one theme for the page and for its code."""
    context = browser.new_context(color_scheme=theme, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server}/notebooks/02_reading_and_writing.html")
    ground, text = page.locator(".cell_input").first.evaluate(CODE_COLOURS)
    context.close()
    assert contrast(ground, text) >= 4.5


def test_figures_are_drawn_in_one_style(site: Path) -> None:
    """Each picture is drawn on the same opaque paper, up to its edges."""
    paper = (*bytes.fromhex(PAPER.removeprefix("#")), 255)
    pictures = sorted((site / "_images").glob("*.png"))
    assert pictures
    for path in pictures:
        with Image.open(path) as picture:
            right, bottom = picture.width - 1, picture.height - 1
            corners = {
                picture.crop((x, y, x + 1, y + 1)).convert("RGBA").getpixel((0, 0))
                for x, y in ((0, 0), (right, 0), (0, bottom), (right, bottom))
            }
        assert corners == {paper}, path.name


def test_a_playground_stands_where_a_widget_would_be_dead(site: Path) -> None:
    """A page shows no slider that needs a kernel, but the playground, and says how to run live."""
    explorers = 0
    for path in sorted(ROOT.glob("notebooks/*.ipynb")):
        built = (site / "notebooks" / path.with_suffix(".html").name).read_text(encoding="utf-8")
        assert "widget-view+json" not in built and "jupyter-widgets" not in built, path.name
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for before, cell in pairwise(cells):
            if cell["cell_type"] == "code" and "_explorer(" in "".join(cell["source"]):
                explorers += 1
                assert 'data-playground="' in "".join(before["source"]), path.name
                assert "Jupyter" in "".join(before["source"]), path.name
    assert explorers


def test_the_mathjax_served_is_the_one_published(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (tools.pages.mathjax() / tools.pages.SCRIPT).is_file()
    monkeypatch.setattr(tools.pages, "SHA256", "0" * 64)
    with pytest.raises(ExtensionError, match=r"is not MathJax 3\.2\.2"):
        tools.pages.mathjax()
    monkeypatch.setattr(tools.pages, "PACKAGE", "pytest")
    with pytest.raises(ExtensionError, match=r"pytest holds no tex-chtml\.js"):
        tools.pages.mathjax()
