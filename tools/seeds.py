"""Train chapter 6's machine from several seeds and starts: ``make seeds``.

Machine, sampler, loop and starts are the chapter's own: its cells tagged ``machine`` and ``seeds``.
The chapter draws the curves that this writes. What is there already is left alone, unless the code
has changed since.
"""

import json
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


def tagged(tags: set[str], path: Path = CHAPTER) -> list[str]:
    """Return the code of a notebook's cells that have one of these tags."""
    notebook = nbformat.read(path, as_version=4)
    return [cell.source for cell in notebook.cells if tags & {*cell.metadata.get("tags", [])}]


def cells() -> list[str]:
    """Return the code of the chapter's cells that a training needs."""
    return tagged({"machine", "seeds"})


def chapter() -> dict[str, Any]:
    """Run those cells; return the names that they define."""
    found: dict[str, Any] = {}
    for code in cells():
        exec(code, found)
    return found


def recorded() -> dict[str, Any]:
    """Return what was recorded with today's code: by start and seed, what each exam cost."""
    code = fingerprint(cells())
    if FILE.exists():
        record: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
        if record["code"] == code:
            return record
    return {"code": code, "runs": {}}


def main() -> None:
    """Record what is to be recorded."""
    torch.set_num_threads(1)
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
