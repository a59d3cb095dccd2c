"""The project's URL has one source, and everything that mentions it agrees."""

import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tools import links

OTHER = "https://github.com/someone/a-fork"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of all files that mention the URL."""
    for name in ("pyproject.toml", *links.PAGES):
        shutil.copy(links.ROOT / name, tmp_path)
    for pattern in ("book/*.md", "notebooks/*.ipynb"):
        for path in links.ROOT.glob(pattern):
            target = tmp_path / path.relative_to(links.ROOT)
            target.parent.mkdir(exist_ok=True)
            shutil.copy(path, target)
    return tmp_path


def write(changed: dict[Path, str]) -> None:
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")


def test_every_mention_agrees_with_pyproject() -> None:
    changed = [str(path.relative_to(links.ROOT)) for path in links.render(links.ROOT)]
    assert not changed, f"run `make links`: {changed}"


def test_a_new_url_reaches_every_mention_and_back(copy: Path) -> None:
    before = {path: path.read_text(encoding="utf-8") for path in copy.rglob("*.*")}
    old = links.project_url(copy)
    links.set_project_url(copy, OTHER)
    changed = links.render(copy)
    write(changed)
    must = [copy / name for name in ("README.md", "CITATION.cff", "_config.yml")]
    assert {*must, *copy.glob("notebooks/*.ipynb")} <= set(changed)
    left = [path.name for path in before if links.slug(old) in path.read_text(encoding="utf-8")]
    assert not left, f"tools/links.py does not recognise how these mention the URL: {left}"
    links.set_project_url(copy, old)
    write(links.render(copy))
    assert before == {path: path.read_text(encoding="utf-8") for path in before}


@pytest.mark.parametrize("url", ["", "someone/a-fork", "https://example.org/a/b", OTHER + "/tree"])
def test_a_url_that_colab_cannot_open_is_refused(copy: Path, url: str) -> None:
    before = (copy / "pyproject.toml").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="url: expected https"):
        links.set_project_url(copy, url)
    assert (copy / "pyproject.toml").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("on_colab", "installed", "asked"),
    [(False, True, 0), (False, False, 0), (True, True, 0), (True, False, 1)],
)
def test_the_setup_cell_installs_only_on_colab_and_only_once(
    monkeypatch: pytest.MonkeyPatch, on_colab: bool, installed: bool, asked: int
) -> None:
    module = ModuleType("stand-in")
    for name, there in [("google", on_colab), ("google.colab", on_colab)]:
        monkeypatch.setitem(sys.modules, name, module if there else None)
    monkeypatch.setitem(sys.modules, "ntm_tutorial", module if installed else None)
    calls: list[str] = []
    source = links.setup_cell(OTHER)
    assert source.count("%pip") == 1
    source = re.sub(r"%pip (.*)", r"pip('\1')", source)
    exec(source, {"pip": calls.append})
    assert calls == [f'install -q "ntm-tutorial @ git+{OTHER}"'] * asked


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_to_files_resolve(name: str) -> None:
    targets = re.findall(
        r"\]\((?!https?:|#)([^)#]+)\)", (links.ROOT / name).read_text(encoding="utf-8")
    )
    assert not [target for target in targets if not (links.ROOT / target).exists()]
