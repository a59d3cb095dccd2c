"""An explorer in a real JupyterLab, with a kernel: what its button, slider and field change.

`make slow` installs JupyterLab, as tools/jupyterlab.txt pins it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect

from tools.links import ROOT

PROGRAM = shutil.which("jupyter-lab", path=Path(sys.executable).parent)
PATIENCE = 240_000
"""Milliseconds for a page, a kernel or a cell, on a machine that has other things to do."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM, reason="JupyterLab is not here; `make slow` installs it"),
]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Start JupyterLab in a folder with one notebook; yields the notebook's address."""
    cell = "from ntm_tutorial import widgets\nwidgets.ngrams_explorer(sequence='0110100101' * 2)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    # A notebook that names no kernel opens a dialog that asks for one.
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, tmp_path / "explorer.ipynb")
    settings = tmp_path / "config" / "labconfig" / "page_config.json"
    settings.parent.mkdir(parents=True)
    # These ask whether to fetch news.
    news = {"@jupyterlab/apputils-extension:announcements": True}
    settings.write_text(json.dumps({"disabledExtensions": news}), encoding="utf-8")
    folders = {
        f"JUPYTER_{name.upper()}_DIR": str(tmp_path / name)  # nothing of the user's own
        for name in ("config", "data", "runtime")
    }
    environment = os.environ | folders | {"PYTHONPATH": str(ROOT)}
    command = [str(PROGRAM), "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    log = tmp_path / "log"
    with (
        log.open("w") as file,
        subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=file, stderr=subprocess.STDOUT
        ) as server,
    ):
        try:
            yield address_in(log, server)
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(60)
            server.kill()  # nothing, if it has ended
            print(log.read_text(encoding="utf-8"))  # shown where the test fails


def address_in(log: Path, server: subprocess.Popen[bytes]) -> str:
    """Wait until the server says where it is, and return the notebook's address there."""
    end = time.monotonic() + PATIENCE / 1000
    text = ""
    while time.monotonic() < end and server.poll() is None:
        text = log.read_text(encoding="utf-8")
        if found := re.search(r"(http://127\.0\.0\.1:\d+/lab)(\?token=\w+)\n", text):
            return f"{found[1]}/tree/explorer.ipynb{found[2]}"
        time.sleep(0.5)
    raise AssertionError(f"JupyterLab does not start:\n{text}")


def test_an_explorer_answers_to_its_button_slider_and_field(lab: str, browser: Browser) -> None:
    page = browser.new_context(viewport={"width": 1280, "height": 1200}).new_page()
    expect.set_options(timeout=PATIENCE)
    page.set_default_timeout(PATIENCE)
    try:
        use_explorer(page, lab)
    finally:
        expect.set_options(timeout=None)
        page.context.close()


def use_explorer(page: Page, address: str) -> None:
    page.goto(address)
    # The sign in the toolbar says "idle" even before there is a kernel, the status bar does not.
    kernel = page.get_by_text("Python 3 (ipykernel) | Idle")
    expect(kernel, "the notebook gets no kernel").to_be_visible()
    page.locator(".jp-CodeCell .cm-content").first.press("Shift+Enter")
    output = page.locator(".jp-CodeCell .jp-OutputArea").first
    expect(output, "the cell shows no explorer").to_contain_text("After step 10 the last 5 bits")
    field, picture = output.get_by_role("textbox", name="Bits"), output.locator("img")

    before = str(picture.get_attribute("src"))
    output.get_by_role("button", name="Flip this bit").click()
    expect(field, "a click flips no bit").to_have_value("0110100101 1110100101")
    expect(output, "a click changes no words").to_contain_text("the last 5 bits are 01011")
    expect(picture, "a click changes no picture").not_to_have_attribute("src", before)

    output.get_by_role("slider").press("ArrowRight")
    expect(output, "an arrow key moves no slider").to_contain_text("After step 11")

    field.fill("0110x")
    field.press("Enter")
    expect(output, "Enter is not heard").to_contain_text("expected zeros and ones only, got x")
