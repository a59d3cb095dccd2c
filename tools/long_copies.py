"""How far each trained DNC copies, when its memory grows with the length.

`python -m tools.long_copies FOLDER` tests the weights that a sweep left in a folder, and writes one
file into the package's results. What was tested already it leaves alone.
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

Tests = Mapping[int, dict[str, int]]
TESTS: Tests = {
    120: {"sequences": 500, "locations": 240},
    250: {"sequences": 10, "locations": 500},
    1000: {"sequences": 1, "locations": 1500},
}
"""By length. A DNC may go on writing while it answers, which takes more locations than vectors."""


def record(folder: Path, file: Path = FILE, tests: Tests = TESTS) -> dict[str, Any]:
    """Test the weights of all seeds of copy in a folder; return, by run and length, what is right.

    Each length has its test, and how many sequences came out without a wrong bit.
    """
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for path in sorted(folder.glob("copy_dnc*/seed-*.safetensors")):
        run = found.setdefault(f"{path.parent.name}/{path.stem}", {})
        for length, test in tests.items():
            if str(length) not in run:
                model: Any = pretrained.load_file(path).model
                larger = model.at(memory_locations=test["locations"])
                # As many at a time as leave their links near the processor.
                batch = max(1, 500 // length)
                with sweeps.using_threads(1):
                    told = evaluate(
                        larger, TASKS["copy"], length=length, sequences=test["sequences"],
                        batch_size=batch,
                    )  # fmt: skip
                perfect = int((told.wrong == 0).sum())
                run[str(length)] = {
                    **test, "perfect": perfect, "mean_wrong": round(told.mean_wrong, 4)
                }  # fmt: skip
                storage.write_text(file, json.dumps(found, indent=1) + "\n")
    return found


if __name__ == "__main__":
    record(Path(sys.argv[1]))
