"""Explorers in a real JupyterLab: run their cells, move a slider, press Enter, see what changes.

`make slow` installs JupyterLab. With JUPYTERLAB=... in the environment, that program is taken.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect

from tools.links import ROOT

PROGRAM = os.environ.get("JUPYTERLAB") or shutil.which(
    "jupyter-lab", path=Path(sys.executable).parent
)
PATIENCE = 240_000
"""Milliseconds for a kernel to start and a cell to run, on a busy machine."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM, reason="JupyterLab is not here; `make slow` installs it"),
]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Start JupyterLab in an empty folder with two explorers, and return its address."""
    cells = [
        nbformat.v4.new_code_cell(f"from ntm_tutorial import widgets\nwidgets.{name}")
        for name in ("addressing_explorer()", "ngrams_explorer(sequence='0110100101' * 2)")
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(notebook, tmp_path / "explorers.ipynb")
    home = Path(sys.prefix) / "share" / "jupyter"  # this environment's kernel and widgets
    environment = os.environ | {
        "JUPYTER_PATH": str(home),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    log = tmp_path / "log"
    command = [
        str(PROGRAM),
        "--no-browser",
        "--allow-root",
        "--port=0",
        "--IdentityProvider.token=",
    ]
    with log.open("w") as file:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=file, stderr=file)
    try:
        yield address_in(log, server)
    finally:
        server.terminate()
        server.wait(timeout=60)


def address_in(log: Path, server: subprocess.Popen[bytes]) -> str:
    """Wait until the server says where it is."""
    for _ in range(1200):
        for line in log.read_text(encoding="utf-8").splitlines():
            if "http://127.0.0.1:" in line:
                return line[line.index("http://127.0.0.1:") :].split("/lab")[0]
        assert server.poll() is None, log.read_text(encoding="utf-8")
        time.sleep(0.1)
    raise AssertionError(log.read_text(encoding="utf-8"))


def open_notebook(browser: Browser, address: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 1600}).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/lab/tree/explorers.ipynb")
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    for _ in range(2):
        page.keyboard.press("Shift+Enter")
    return page


def test_explorers_answer_to_keys_and_buttons(lab: str, browser: Browser) -> None:
    page = open_notebook(browser, lab)
    addressing, ngrams = (page.locator(".jp-OutputArea-output").nth(place) for place in (0, 1))
    expect(addressing).to_contain_text("Largest weight", timeout=PATIENCE)
    before = addressing.locator("img").get_attribute("src")
    addressing.get_by_role("slider").first.press("ArrowRight")
    expect(addressing.locator("img")).not_to_have_attribute("src", str(before), timeout=PATIENCE)

    expect(ngrams).to_contain_text("context", timeout=PATIENCE)
    field = ngrams.get_by_role("textbox").first
    field.fill("0110x")
    field.press("Enter")
    expect(ngrams).to_contain_text("Bits: expected zeros and ones only, got x", timeout=PATIENCE)
    field.fill("1111111111")
    field.press("Enter")
    expect(ngrams).to_contain_text("bits 6 to 10", timeout=PATIENCE)
    assert page.locator(".jp-OutputArea-output[data-mime-type*=error]").count() == 0
