"""Train the pages' own machines from several seeds: ``make seeds``.

Machine, sampler and loop are the page's, its cells tagged ``machine`` and ``seeds``: those of
chapter 6, from several starts, whose curves the chapter draws; and those of the quick start, whose
text a test holds to what this writes. What is there already is left alone, unless the code has
changed since.
"""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import nbformat
import torch

from ntm_tutorial import storage
from ntm_tutorial.lab.results import FOLDER
from tools.execute import fingerprint
from tools.links import ROOT

CHAPTER = ROOT / "notebooks" / "06_training.ipynb"
FILE = FOLDER / "starts.json"
SEEDS = 6
SEQUENCES = 12_000
QUICK_START = ROOT / "notebooks" / "00_quick_start.ipynb"
QUICK_FILE = FOLDER / "quick_start.json"
QUICK_SEEDS = 10
TAGS = {"machine", "seeds"}
"""Of the cells that a training needs."""


def tagged(tags: set[str], path: Path = CHAPTER) -> list[str]:
    """Return the code of a notebook's cells that have one of these tags."""
    notebook = nbformat.read(path, as_version=4)
    return [cell.source for cell in notebook.cells if tags & {*cell.metadata.get("tags", [])}]


def chapter(path: Path = CHAPTER, tags: set[str] = TAGS) -> dict[str, Any]:
    """Run the cells of a page that have one of these tags; return the names that they define."""
    found: dict[str, Any] = {}
    for code in tagged(tags, path):
        exec(compile(code, path.name, "exec"), found)
    return found


def recorded(path: Path = CHAPTER, file: Path = FILE) -> dict[str, Any]:
    """Return what was recorded with today's code: of chapter 6, by start and seed, its exams."""
    code = fingerprint(tagged(TAGS, path))
    if file.exists():
        record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if record["code"] == code:
            return record
    return {"code": code, "runs": {}}


def quick_run(page: dict[str, Any], seed: int) -> dict[str, float]:
    """Train the quick start's machine from a seed; test it as the page does, and at length 120."""
    with redirect_stdout(io.StringIO()) as said:
        model = page["train"](seed)
    lists, _, seconds = said.getvalue().splitlines()[-1].split()[:3]
    with torch.no_grad():
        torch.manual_seed(1000)
        bits = page["cost"](model, *page["sample"](torch.full((400,), 20))).item()
        torch.manual_seed(2000)
        inputs, answers, due = page["sample"](torch.full((50,), 120))
        wrong = ((model(inputs)[0] > 0) != (answers > 0)) & due[..., None]
    perfect = (wrong.sum((0, 2)) == 0).double().mean().item()
    return {
        "lists": int(lists), "seconds": float(seconds),
        "bits": round(bits, 3), "perfect at 120": perfect,
    }  # fmt: skip


def record_quick_start() -> None:
    """Record the seeds of the quick start that are not there yet."""
    page, record = chapter(QUICK_START), recorded(QUICK_START, QUICK_FILE)
    for seed in range(QUICK_SEEDS):
        if str(seed) not in record["runs"]:
            record["runs"][str(seed)] = quick_run(page, seed)
            print(f"quick start, seed {seed}: {record['runs'][str(seed)]}", flush=True)
            storage.write_text(QUICK_FILE, json.dumps(record) + "\n")


def main() -> None:
    """Record what is to be recorded."""
    torch.set_num_threads(1)
    record_quick_start()
    page, record = chapter(), recorded()
    for seed in range(SEEDS):
        for start, (gains, settings) in page["STARTS"].items():
            runs = record["runs"].setdefault(start, {})
            if str(seed) in runs:
                continue
            run = page["training"](page["build"](seed, *gains), seed, SEQUENCES, **settings)
            runs[str(seed)] = [round(page["exam"](learned), 3) for _, learned in run]
            print(f"{start}, seed {seed}: {runs[str(seed)][-1]} bits in the end", flush=True)
            storage.write_text(FILE, json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
