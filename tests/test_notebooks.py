"""What every committed notebook keeps to. nbval runs the notebooks; this reads them."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from tests.each import each
from tools import links
from tools.execute import METADATA, WIDGET, is_progress_bar, tidy
from tools.exercises import TAGS, is_exercise

PATHS = sorted(links.ROOT.glob("notebooks/*.ipynb"))
MACHINE_PATH = re.compile(r"/(home|root|Users|tmp|work)/|site-packages|ipykernel_\d|[A-Z]:\\")
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}")
MEBIBYTE = 2**20


@cache
def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


every_notebook = each("path", PATHS)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shows_picture(cell: Any) -> bool:
    return any(
        mime.startswith("image/") for output in cell.outputs for mime in output.get("data", {})
    )


def figures(notebook: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the first line and the `mystnb` metadata of each cell that shows a picture."""
    for cell in code_cells(notebook):
        if shows_picture(cell):
            yield cell.source.splitlines()[0], cell.metadata.get("mystnb", {})


@each(
    ("text", "expected"),
    [
        (
            "copy:  40%|##  | 4/10 [00:02<00:03, 1.9it/s]\rcopy: 100%|####| 10/10 [00:05]\n",
            True,
        ),
        ("7it [00:01, 5.02it/s]", True),
        ("UserWarning: 40% of the memory is gone", False),
        ("copy: 100%|####| 10/10 [00:05]\nUserWarning: slow", False),
        ("", False),
    ],
)
def test_progress_bars_are_told_from_warnings(text: str, expected: bool) -> None:
    assert is_progress_bar({"output_type": "stream", "name": "stderr", "text": text}) is expected


@every_notebook
def test_cells_were_run_once_from_top_to_bottom(path: Path) -> None:
    notebook = read(path)
    counts = [cell.execution_count for cell in code_cells(notebook) if not is_exercise(cell)]
    assert counts == list(range(1, len(counts) + 1)), "run `make notebooks`"


@every_notebook
def test_a_readers_cells_are_left_alone(path: Path) -> None:
    for cell in filter(is_exercise, code_cells(read(path))):
        assert cell.metadata.tags == TAGS
        assert not cell.outputs and cell.execution_count is None, cell.source


@every_notebook
def test_no_cell_failed_or_wrote_to_stderr(path: Path) -> None:
    notebook = read(path)
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr" or is_progress_bar(output), cell.source


@every_notebook
def test_no_widget_is_saved(path: Path) -> None:
    notebook = read(path)
    for cell in code_cells(notebook):
        assert not any(WIDGET in output.get("data", {}) for output in cell.outputs), cell.source


def test_tidy_drops_widgets_and_keeps_text() -> None:
    text = nbformat.v4.new_output("stream", text="3 bits wrong")
    widget = nbformat.v4.new_output("display_data", {WIDGET: {"model_id": "1"}, "text/plain": "x"})
    cell = nbformat.v4.new_code_cell("f()", outputs=[text, widget])
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {"state": {}}})
    tidy(notebook)
    assert notebook.cells[0].outputs == [text]
    assert notebook.metadata == METADATA


@every_notebook
def test_it_is_small(path: Path) -> None:
    assert path.stat().st_size < 1.5 * MEBIBYTE


@every_notebook
def test_metadata_say_nothing_of_the_machine(path: Path) -> None:
    notebook = read(path)
    assert notebook.metadata == METADATA, "run `make notebooks`"
    for cell in notebook.cells:
        assert "execution" not in cell.metadata, "run `make notebooks`"


@every_notebook
def test_no_output_shows_a_machine_path_or_an_address(path: Path) -> None:
    notebook = read(path)
    for cell in code_cells(notebook):
        for output in cell.outputs:
            texts = [output.get("text", "")]
            texts += [str(text) for mime, text in output.get("data", {}).items() if "text" in mime]
            for text in texts:
                assert not MACHINE_PATH.search(text), cell.source
                assert not ADDRESS.search(text), cell.source


@every_notebook
def test_it_opens_with_title_colab_link_and_setup_cell(path: Path) -> None:
    notebook = read(path)
    url = links.project_url(links.ROOT)
    title, setup = notebook.cells[:2]
    assert title.cell_type == "markdown"
    lines = [line for line in title.source.splitlines() if line.strip()]
    assert re.match(r"# \S", lines[0])
    assert lines[1] == links.badge(url, path.name)
    assert setup.cell_type == "code"
    assert setup.source == links.setup_cell(url)
    assert setup.metadata.tags == ["setup", "remove-cell"]
    assert not setup.outputs
    assert sum("setup" in cell.metadata.get("tags", []) for cell in notebook.cells) == 1


@every_notebook
def test_every_figure_has_alt_text_caption_and_name(path: Path) -> None:
    notebook = read(path)
    for cell, mystnb in figures(notebook):
        assert mystnb.get("image", {}).get("alt", "").strip(), cell
        assert mystnb.get("figure", {}).get("caption", "").strip(), cell
        assert re.fullmatch(r"fig-[a-z0-9-]+", mystnb.get("figure", {}).get("name", "")), cell


def test_figure_names_are_unique_in_the_book() -> None:
    names = Counter(
        mystnb.get("figure", {}).get("name") for path in PATHS for _, mystnb in figures(read(path))
    )
    assert not [name for name, count in names.items() if count > 1]
