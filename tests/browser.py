"""The book's pages in a real browser, and a record of what they do that they should not."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request, Response

from tools.pages import SCRIPT

DESKTOP, PHONE = 1280, 390
"""The widths at which pages are looked at, in CSS pixels."""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):  # the browser left a page before it was all there
            super().handle()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; yields its address, without a slash at the end."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@dataclass
class Tab:
    """An open page of the book.

    Attributes:
        page: playwright's page.
        home: the address under which the whole site lies.
        requests: every address that the page asked for.
        external: those of them that leave the site.
        failed: those of them that brought nothing.
        errors: what the console showed as an error, and exceptions that nothing caught.
    """

    page: Page
    home: str
    requests: list[str] = field(default_factory=list)
    external: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._note_request)
        self.page.on("requestfailed", self._note_failure)
        self.page.on("response", self._note_response)
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note_request(self, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith((self.home, "data:", "blob:")):
            self.external.append(request.url)

    def _note_failure(self, request: Request) -> None:
        self.failed.append(f"{request.url}: {request.failure}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self.failed.append(f"{response.url}: {response.status}")

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def open(self, address: str) -> None:
        """Go to a page of the site and wait until it has loaded and has set its mathematics."""
        self.page.goto(f"{self.home}/{address}", wait_until="load")
        # Unlike `evaluate`, this bears a page that forwards to another, as index.html does.
        self.page.wait_for_function(
            "() => window.MathJax?.startup?.promise.then(() => true) ?? true"
        )

    def problems(self) -> dict[str, list[str]]:
        """Return what went wrong so far, by kind; an empty dict where nothing did."""
        kinds = {"external": self.external, "failed": self.failed, "console": self.errors}
        return {kind: found for kind, found in kinds.items() if found}


def lighten(page: Page) -> None:
    """Let pages come without mathematics, which are there sooner."""
    nothing = {"body": "", "content_type": "text/javascript"}
    page.route(f"**/{SCRIPT}*", lambda route: route.fulfill(**nothing))


class Visit(Protocol):
    """Opens a page of the book in a tab of its own. The ``visit`` fixture is one.

    Args:
        address: the page, and what follows it: ``book/intro.html?length=7#fig-front``.
        width, height: of the window, in CSS pixels.
        theme: ``"light"`` or ``"dark"``, what the reader's system asks for.
        from_file: open it as file://, not from a web server.
        mathematics: set it; left out, the page is there sooner.
        before: is called with the tab before it opens the page.
        options: for playwright's ``new_context``, such as ``reduced_motion="reduce"``.
    """

    def __call__(
        self,
        address: str,
        *,
        width: int = DESKTOP,
        height: int = 900,
        theme: str = "light",
        from_file: bool = False,
        mathematics: bool = True,
        before: Callable[[Tab], None] = ...,
        **options: Any,
    ) -> Tab: ...


class Tally(Protocol):
    """Adds to a count that pytest prints at its end. The ``tally`` fixture is one."""

    def __call__(self, what: str, count: int) -> None: ...


PLAIN = """() => {
  const seen = new Set(), codes = Array.from(document.querySelectorAll(".highlight pre, dt.sig"));
  const shown = codes.map((code) => code.checkVisibility({ visibilityProperty: true }));
  window.coloured = codes.map((code, nth) => {
    const where = code.closest(".cell_input, .cell_output")?.className;
    const plain = code.cloneNode(true);
    for (const span of plain.querySelectorAll("span")) {
      const look = [span.className, code.tagName, where].join();
      if (seen.has(look)) span.replaceWith(...span.childNodes);
      if (shown[nth]) seen.add(look);
    }
    plain.normalize();
    return [code, plain];
  });
  coloured.forEach(([code, plain]) => code.replaceWith(plain));
}"""
"""Leaves the first word of each colour in code; all of them would take most of axe's time."""
COLOURED = "() => coloured.forEach(([code, plain]) => plain.replaceWith(code))"


def axe_violations(page: Page, within: str | None = None) -> list[str]:
    """Return what axe calls serious or critical, each with the first element at fault.

    Args:
        page: an open page.
        within: a selector; only what it selects is looked at.
    """
    options = {"resultTypes": ["violations"], "preload": False}  # preloading asks for wrong paths
    page.evaluate(PLAIN)
    context = {"include": [within]} if within else None
    found = Axe().run(page, context=context, options=options).response["violations"]
    page.evaluate(COLOURED)
    return [
        f"{violation['id']}: {violation['nodes'][0]['html'][:200]}"
        f" and {len(violation['nodes']) - 1} more"
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]
