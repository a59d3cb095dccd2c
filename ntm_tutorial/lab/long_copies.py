"""How far each trained DNC copies, when its memory grows with the length.

``python -m ntm_tutorial.lab.long_copies FOLDER`` tests the weights that a sweep left in a folder,
and writes one file into ``results``. What was tested already it leaves alone.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ntm_tutorial import pretrained, storage
from ntm_tutorial.evaluation import evaluate
from ntm_tutorial.lab import results, sweeps
from ntm_tutorial.tasks import TASKS

FILE = results.FOLDER / "long_copies.json"
LENGTHS: Mapping[int, int] = {250: 20, 500: 10, 1000: 10}
"""So many fresh sequences of each length."""
ROOM = 24
"""Locations beyond the length."""


def record(folder: Path, file: Path = FILE, lengths: Mapping[int, int] = LENGTHS) -> dict[str, Any]:
    """Test the weights of all seeds of copy in a folder; return, by run and length, what is right.

    Each length has the number of sequences and how many of them came out without a wrong bit.
    """
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for path in sorted(folder.glob("copy_dnc*/seed-*.safetensors")):
        run = found.setdefault(f"{path.parent.name}/{path.stem}", {})
        for length, count in lengths.items():
            if str(length) not in run:
                model: Any = pretrained.load_file(path).model
                larger = model.at(memory_locations=length + ROOM)
                with sweeps.using_threads(1):
                    # One at a time: its links then stay near the processor.
                    test = evaluate(
                        larger, TASKS["copy"], length=length, sequences=count, batch_size=1
                    )
                perfect = int((test.wrong == 0).sum())
                run[str(length)] = {
                    "sequences": count, "perfect": perfect, "mean_wrong": round(test.mean_wrong, 4)
                }  # fmt: skip
                storage.write_text(file, json.dumps(found, indent=1) + "\n")
    return found


if __name__ == "__main__":
    record(Path(sys.argv[1]))
