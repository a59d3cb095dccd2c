"""The book builds without a warning, and what it shows is whole."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from docutils import nodes

from tools.links import ROOT, project_url, slug
from tools.pages import free_pictures


@cache
def parse(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


@cache
def places(page: Path) -> set[str]:
    """Return all places in a page that a link can lead to."""
    return {str(element["id"]) for element in parse(page).find_all(id=True)}


def pages(site: Path) -> Iterator[tuple[str, BeautifulSoup]]:
    """Yield each page's address in the site, and its content."""
    for page in sorted(site.rglob("*.html")):
        if "_static" not in page.parts:
            yield str(page.relative_to(site)), parse(page)


def listed() -> list[str]:
    """Return the pages that the contents list, without their endings."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [chapter["file"] for part in contents["parts"] for chapter in part["chapters"]]
    return [contents["root"], *chapters]


def test_the_contents_list_every_page() -> None:
    written = [*ROOT.glob("book/**/*.md"), *ROOT.glob("notebooks/*.ipynb")]
    assert sorted(listed()) == sorted(str(p.relative_to(ROOT).with_suffix("")) for p in written)


def test_every_page_was_built(site: Path) -> None:
    for name in listed():
        assert (site / f"{name}.html").is_file(), name


def test_old_addresses_lead_to_the_new(site: Path) -> None:
    moved = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    for old, new in moved["redirects"].items():
        page = site / f"{old}.html"
        assert f"url={new}" in page.read_text(encoding="utf-8") and (page.parent / new).is_file()


def test_every_internal_link_resolves(site: Path) -> None:
    broken = []
    for address, page in pages(site):
        for element in page.find_all(["a", "link", "img", "script", "source", "iframe"]):
            link = urlsplit(str(element.get("href") or element.get("src") or ""))
            if link.scheme or link.netloc or not (link.path or link.fragment):
                continue
            target = (site / address).parent / unquote(link.path) if link.path else site / address
            target = target.resolve()
            if not target.exists():
                broken.append(f"{address}: {link.geturl()}")
            elif not link.fragment or target.suffix != ".html":
                continue
            elif unquote(link.fragment) not in places(target):
                broken.append(f"{address}: {link.geturl()}")
    assert not broken, "\n".join(broken)


def test_a_hint_is_folded_and_a_solution_folds_once(site: Path) -> None:
    hints = 0
    for address, page in pages(site):
        for box in page.select(".admonition.exercise"):
            (hint,) = box.select("details")
            assert hint.summary and hint.summary.text == "Hint", address
            assert "open" not in hint.attrs, address
            hints += 1
        for box in page.select(".admonition.solution"):
            assert "dropdown" in box["class"] and not box.select("details"), address
    assert hints > 40


def test_every_picture_has_alt_text(site: Path) -> None:
    bare = [
        f"{address}: {image.get('src')}"
        for address, page in pages(site)
        for image in page.find_all("img")
        if not str(image.get("alt", "")).strip()
    ]
    assert not bare, "\n".join(bare)


@pytest.mark.parametrize(("format", "left"), [("html", {"width"}), ("latex", set())])
def test_a_sharp_picture_keeps_its_shape_on_every_width(format: str, left: set[str]) -> None:
    image = nodes.image(width="700", height="340")
    document = nodes.paragraph("", "", image)
    free_pictures(SimpleNamespace(builder=SimpleNamespace(format=format)), document)
    assert {name for name in ("width", "height") if name in image} == left


def test_no_label_stands_twice_on_a_page(site: Path) -> None:
    for address, page in pages(site):
        article = page.find("article") or page
        labels = Counter(element["id"] for element in article.find_all(id=True))
        for wrapper in ("exercise-content", "solution-content"):  # of sphinx-exercise, in each box
            labels.pop(wrapper, None)
        assert not [label for label, count in labels.items() if count > 1], address


def test_each_chapter_opens_in_colab_and_in_binder(site: Path) -> None:
    name = slug(project_url(ROOT))
    for path in sorted(ROOT.glob("notebooks/*.ipynb")):
        page = parse(site / "notebooks" / path.with_suffix(".html").name)
        links = {str(link["href"]) for link in page.select(".dropdown-launch-buttons a")}
        assert links == {
            f"https://colab.research.google.com/github/{name}/blob/main/notebooks/{path.name}",
            f"https://mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/notebooks/{path.name}",
        }


def test_no_page_starts_thebe(site: Path) -> None:
    for address, page in pages(site):
        scripts = [str(script.get("src", "")) for script in page.find_all("script")]
        assert not [script for script in scripts if "thebe" in script], address
