"""Find a Chromium for the tests, or install one: ``make browser``.

Playwright drives it. ``$CHROMIUM`` comes first, then playwright's own build, then a Chromium or
Chrome on the PATH. Where there is none, playwright's build is downloaded, without root. Where that
cannot be had, and we are root on a Debian, apt supplies Chromium.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from playwright.sync_api import Browser, Error, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
"""The tests' browser reaches nothing outside this machine: a page that asks for it must show it."""


def candidates() -> Iterator[str | None]:
    """Yield the programs to try; None is playwright's own build."""
    if "CHROMIUM" in os.environ:
        yield os.environ["CHROMIUM"]
    yield None
    yield from filter(None, map(shutil.which, NAMES))


def launch(playwright: Playwright) -> Browser:
    """Start the first Chromium that starts; raises RuntimeError where none does."""
    for program in candidates():
        try:
            return playwright.chromium.launch(executable_path=program, args=FLAGS)
        except Error:
            continue
    raise RuntimeError("no Chromium starts: run `make browser`, or set CHROMIUM to the program")


def version() -> str | None:
    """Return the version of the Chromium that the tests would use, None where there is none."""
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except RuntimeError:
            return None
        with browser:
            return browser.version


def run(*command: str) -> bool:
    """Run a command, say so, and tell whether it went well."""
    print("$", *command, flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        return subprocess.run(command, check=False, timeout=600, env=quiet).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def install() -> None:
    """Install a Chromium, as the module's text says."""
    can_apt = shutil.which("apt-get") is not None and os.geteuid() == 0
    playwright = (sys.executable, "-m", "playwright")
    if run(*playwright, "install", "--only-shell", "chromium"):
        if version() is None and can_apt:
            run(*playwright, "install-deps", "chromium")
    elif can_apt and run("apt-get", "update", "-qq"):
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium")


def main() -> None:
    found = version()
    if found is None:
        print("The tests need a Chromium; installing one.")
        install()
        found = version()
    if found is None:
        sys.exit(
            "No Chromium to test the pages with. Install Chromium or Chrome, or name one:"
            " CHROMIUM=...\nAs root: .venv/bin/playwright install --with-deps --only-shell chromium"
        )
    print(f"Chromium {found} will test the pages.")


if __name__ == "__main__":
    main()
