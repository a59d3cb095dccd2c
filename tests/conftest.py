"""What the tests of the built book share: the book, built once, and a browser to open it in."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
from filelock import FileLock
from playwright.sync_api import Browser, sync_playwright

from tests.browser import DESKTOP, Tab, Tally, Visit, lighten, served
from tools.browser import launch
from tools.links import ROOT


def build(folder: Path, builder: str = "html") -> None:
    """Build the book under a folder, as `make book` does; a warning fails."""
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    options = ["-W", "-n", "--keep-going", "--path-output", str(folder), "--builder", builder]
    done = subprocess.run(
        [str(jupyter_book), "build", str(ROOT), *options],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )
    output = done.stdout + done.stderr
    warnings = [line for line in output.splitlines() if re.search(r"WARNING|ERROR|Warning:", line)]
    assert not warnings, "\n".join(warnings)
    assert done.returncode == 0, output[-4000:]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the book in a folder of its own, once for all workers, and return its root.

    With BOOK=_build/html in the environment, that built book is tested instead.
    """
    if "BOOK" in os.environ:
        return Path(os.environ["BOOK"]).resolve()
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # which the workers share
    folder = folder / "book"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "built").exists():
            build(folder)
            (folder / "built").touch()
    return folder / "_build" / "html"


# Of a module, not of the session: while playwright runs, so does its event loop, and the notebooks
# that the same worker may run next bring their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium that reaches nothing outside this machine."""
    with sync_playwright() as playwright, launch(playwright) as chromium:
        yield chromium


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[str]:
    """The address at which the book is served."""
    with served(site) as address:
        yield address


@pytest.fixture
def no_shape_checks() -> None:
    """For long runs: shapes are checked where each function is tested by itself."""
    jaxtyping.config.update("jaxtyping_disable", True)  # until `shape_checks` ends


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """Add to a count that the summary at the end prints, whichever worker ran the test."""
    return lambda what, count: record_property(f"tally In the browser: {what}", count)


@pytest.fixture
def visit(browser: Browser, site: Path, server: str, tally: Tally) -> Iterator[Visit]:
    """Open pages of the book; afterwards, fail where one of them did what it should not."""
    tabs: list[Tab] = []

    def visit(
        address: str,
        *,
        width: int = DESKTOP,
        height: int = 900,
        theme: str = "light",
        from_file: bool = False,
        mathematics: bool = True,
        before: Callable[[Tab], None] = lambda tab: None,
        **options: Any,
    ) -> Tab:
        options |= {"viewport": {"width": width, "height": height}, "color_scheme": theme}
        page = browser.new_context(**options).new_page()
        if not mathematics:
            lighten(page)
        tabs.append(Tab(page, site.as_uri() if from_file else server))
        before(tabs[-1])
        tabs[-1].open(address)
        return tabs[-1]

    yield visit
    problems = [tab.problems() for tab in tabs]
    for tab in tabs:
        tally("external requests", len(tab.external))
        tally("failed requests", len(tab.failed))
        tally("console errors", len(tab.errors))
        tab.page.context.close()
    assert not any(problems), problems
