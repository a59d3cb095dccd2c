"""A number that the prose states as a finding is one that a cell of the same page prints."""

import re
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest

from tools import seeds
from tools.links import ROOT

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RECORDS = {seeds.QUICK_START: seeds.QUICK_FILE}
"""What a page says of trainings that it does not run; tests/test_seeds.py reads the words, too."""
CODE = re.compile(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\]\([^)]*\)|<[^>]*>", re.DOTALL)
MATHS = re.compile(r"\$([^$]*)\$")
THEIRS = re.compile(r"Section|[Pp]aper")
NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?%?")
FINDING = re.compile(r"\d+\.\d+%?|\d+%")


def text_of(source: str) -> str:
    """Return a cell's text without code, links and mathematics; a number alone is none."""

    def number(maths: re.Match[str]) -> str:
        return maths[1] if NUMBER.fullmatch(maths[1].lstrip("-")) else ""

    return MATHS.sub(number, CODE.sub("", source))


def prose(notebook: Any) -> Iterator[str]:
    """Yield sentences, and of a table's rows the last cell, which is ours; no exercises."""
    for cell in notebook.cells:
        if cell.cell_type != "markdown" or "exercise" in cell.metadata:
            continue
        if "<details>" not in cell.source:  # the answers of an exercise
            for line in text_of(cell.source).splitlines():
                if line.startswith("|"):
                    yield line.strip("| ").rpartition("|")[2]
                else:
                    yield from re.split(r"(?<=[.:;?!]) ", line)


def printed(notebook: Any) -> set[float]:
    """Return the numbers in what the cells print and in their code."""
    texts = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts += [cell.source, *(output.get("text", "") for output in cell.outputs)]
    return numbers_in("\n".join(texts))


def numbers_in(text: str) -> set[float]:
    """Return the numbers in a text, without signs."""
    return {float(match[0].rstrip("%,").replace(",", "")) for match in NUMBER.finditer(text)}


def is_one_of(stated: str, numbers: set[float]) -> bool:
    """Tell whether a number, or a share in percent, is one of these, rounded."""
    digits = len(stated.rstrip("%").partition(".")[2])
    value = float(stated.rstrip("%"))
    scales = (1, 100) if stated.endswith("%") else (1,)
    return any(abs(scale * x - value) <= 0.501 * 10**-digits for scale in scales for x in numbers)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_findings_are_printed(path: Any) -> None:
    notebook = nbformat.read(path, as_version=4)
    numbers = printed(notebook)
    if path in RECORDS:
        numbers |= numbers_in(RECORDS[path].read_text(encoding="utf-8"))
    missing = [
        f"{stated}: {sentence.strip()}"
        for sentence in prose(notebook)
        if not THEIRS.search(sentence)
        for stated in NUMBER.findall(sentence)
        if FINDING.fullmatch(stated) and not is_one_of(stated, numbers)
    ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize(
    ("stated", "number", "same"),
    [("0.41", 0.413, True), ("92%", 0.92, True), ("92%", 91.6, True), ("0.42", 0.413, False)],
)
def test_rounding(stated: str, number: float, same: bool) -> None:
    assert is_one_of(stated, {number}) is same
