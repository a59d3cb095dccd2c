"""How the tests come by a browser, and that what they note about a page would be noticed."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

import tools.browser
from tests.browser import Tab, axe_violations, served
from tests.each import by_turns


def test_a_chosen_browser_is_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.browser.shutil, "which", {"chromium": "/usr/bin/chromium"}.get)
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert list(tools.browser.candidates()) == [None, "/usr/bin/chromium"]
    monkeypatch.setenv("CHROMIUM", "/opt/mine")
    assert list(tools.browser.candidates()) == ["/opt/mine", None, "/usr/bin/chromium"]


def test_without_a_browser_the_tests_fail_and_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tools.browser, "candidates", lambda: iter(["/nowhere/chromium"]))
    with sync_playwright() as playwright, pytest.raises(RuntimeError, match="run `make browser`"):
        tools.browser.launch(playwright)
    assert tools.browser.version() is None


@pytest.mark.parametrize(
    ("downloads", "starts", "root", "commands"),
    [
        (True, True, False, ["playwright install"]),
        (True, False, True, ["playwright install", "playwright install-deps"]),
        (False, False, True, ["playwright install", "apt-get update", "apt-get install"]),
        (False, False, False, ["playwright install"]),
    ],
)
def test_a_missing_browser_is_installed(
    downloads: bool,
    starts: bool,
    root: bool,
    commands: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[str] = []

    def run(*command: str) -> bool:
        ran.append(" ".join(command).replace(f"{tools.browser.sys.executable} -m ", ""))
        return downloads or "playwright" not in ran[-1]

    monkeypatch.setattr(tools.browser, "run", run)
    monkeypatch.setattr(tools.browser, "version", lambda: "150" if starts else None)
    monkeypatch.setattr(tools.browser.os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(tools.browser.shutil, "which", lambda name: f"/usr/bin/{name}")
    tools.browser.install()
    assert [" ".join(command.split()[:2]) for command in ran] == commands


def test_a_tab_notes_what_a_page_should_not_do(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        '<link rel="icon" href="data:,"><img src="missing.png" alt="">'
        '<script src="https://example.org/elsewhere.js"></script>'
        "<script>undefined.field</script>",
        encoding="utf-8",
    )
    for from_file in (False, True):
        with served(tmp_path) as address, browser.new_context() as context:
            tab = Tab(context.new_page(), tmp_path.as_uri() if from_file else address)
            tab.open("page.html")
            problems = tab.problems()
        assert problems["external"] == ["https://example.org/elsewhere.js"]
        assert any("missing.png" in failure for failure in problems["failed"])
        assert any("undefined" in error for error in problems["console"])


def test_axe_notices_what_somebody_could_not_read(browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        code = '<span class="k">pale</span> <span class="k">too</span>'
        page.set_content(
            '<html lang="en"><title>A page</title><main><h1>A page</h1>'
            '<div id="picture"><img src="data:,"></div>'
            '<p style="color: #ddd; background: #fff">pale</p><style>.k { color: #ddd }</style>'
            f'<details><div class="highlight"><pre>{code}</pre></div></details>'
            f'<div class="highlight"><pre>{code}</pre></div></main>'
        )
        everywhere, within = axe_violations(page), axe_violations(page, within="#picture")
        assert page.locator("span.k").count() == 4, "the page is as it was"
    assert everywhere[0].endswith(" and 1 more"), "a colour of code is looked at once"
    assert [violation.split(":")[0] for violation in everywhere] == ["color-contrast", "image-alt"]
    assert [violation.split(":")[0] for violation in within] == ["image-alt"]


def test_each_place_is_seen_one_way_at_once_and_the_other_ways_later() -> None:
    cases = by_turns("abc", [("large",), ("small",)])
    assert {case.values for case in cases} == {(a, b) for a in "abc" for b in ("large", "small")}
    at_once = [case.values for case in cases if not case.marks]
    assert at_once == [("a", "large"), ("b", "small"), ("c", "large")]
