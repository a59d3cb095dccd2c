"""A notebook's record says when it ran, on what, and from which code; and the book shows it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.each import each
from tests.test_book import parse
from tools import execute
from tools.execute import LIBRARIES, RECORDS, ROOT, changes, fingerprint, read_records

FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@each("path", NOTEBOOKS)
def test_the_code_of_a_notebook_is_the_code_that_ran(path: Path) -> None:
    assert "notebook" not in changes(path), f"run `make notebooks NB=notebooks/{path.name}`"


def test_records_hold_what_the_page_shows_and_nothing_of_the_machine() -> None:
    text = (FOLDER / RECORDS).read_text(encoding="utf-8")
    records = json.loads(text)
    assert text == json.dumps(records, indent=1, sort_keys=True) + "\n"
    assert sorted(records) == [path.stem for path in NOTEBOOKS]
    for entry in records.values():
        assert set(entry) == {"code", "executed", "seconds", "versions"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", entry["executed"])
        assert 0 < entry["seconds"] < 600
        assert set(entry["versions"]) == {"python", *LIBRARIES}
        assert all(re.fullmatch(r"\d+(\.\w+)+", version) for version in entry["versions"].values())


def test_the_health_page_shows_every_record(site: Path) -> None:
    page = parse(site / "book" / "health.html")
    rows = [row.get_text(" ", strip=True) for row in page.select(".health tbody tr")]
    assert len(rows) == len(NOTEBOOKS)
    for row, entry in zip(rows, read_records(FOLDER).values(), strict=True):
        assert entry["executed"].split()[0] in row
        assert f"{entry['seconds']:.0f} s" in row
    assert "torch" in page.select(".health")[0].get_text()


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a notebook in a project of its own, which has a package of one file."""
    path = tmp_path / "notebooks" / "01_a.ipynb"
    path.parent.mkdir()
    (tmp_path / "ntm_tutorial").mkdir()
    (tmp_path / "ntm_tutorial" / "one.py").write_text('"""One."""\nONE = 1\n', encoding="utf-8")
    setup = nbformat.v4.new_code_cell("url = 'a'", metadata={"tags": ["setup"]})
    code = nbformat.v4.new_code_cell("one = 1\nprint(one)")
    nbformat.write(nbformat.v4.new_notebook(cells=[setup, code]), path)
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    return path


def edit(path: Path, change: Callable[[Any], None]) -> None:
    notebook = nbformat.read(path, as_version=4)
    change(notebook.cells)
    nbformat.write(notebook, path)


def test_executing_writes_a_record(notebook: Path) -> None:
    (notebook.parent / RECORDS).write_text(json.dumps({"00_gone": {}}), encoding="utf-8")
    execute.execute(notebook)
    assert nbformat.read(notebook, as_version=4).cells[1].outputs[0].text == "1\n"
    assert list(read_records(notebook.parent)) == ["01_a"]
    assert changes(notebook) == []


def test_a_change_of_code_shows(notebook: Path) -> None:
    execute.write_record(notebook, execute.code_of(notebook), 1.0)
    module = execute.ROOT / "ntm_tutorial" / "one.py"
    module.write_text(
        '"""One, in other words."""\n\n# a comment\nONE = 1\n"""That is one."""\n', encoding="utf-8"
    )
    edit(notebook, lambda cells: cells[0].update(source="url = 'b'"))
    edit(notebook, lambda cells: cells[1].update(source="one = 1\n\n# a comment\nprint(one)"))
    assert changes(notebook) == []
    module.write_text("ONE = 2\n", encoding="utf-8")
    assert changes(notebook) == ["package"]
    edit(notebook, lambda cells: cells[1].update(source="one = 2\nprint(one)"))
    assert changes(notebook) == ["notebook", "package"]


def test_a_notebook_without_a_record_is_told(notebook: Path) -> None:
    with pytest.raises(ValueError, match=r"01_a\.ipynb has no record: run `make notebooks NB="):
        changes(notebook)


def test_a_fingerprint_keeps_indentation() -> None:
    assert fingerprint(["if a:\n    b"]) != fingerprint(["if a:\nb"])
