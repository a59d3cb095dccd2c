"""Copy by a Transformer, with one position code after the other, silent and fed: what was recorded.

``python -m tools.positions`` trains the machines.
"""

import json
from pathlib import Path

from ntm_tutorial.models.transformer import POSITIONS as POSITIONS  # for the chapters

FOLDER = Path(__file__).parent / "results" / "positions"
FRAMES = {"silent": "copy", "fed": "copy-fed"}
"""Whether a model hears its last answer, and the task's name."""
SEED = 0
LENGTHS = (10, 20, 25, 30, 40, 60, 120)


def recorded(frame: str, positions: str, what: str = "mean_wrong") -> dict[int, float]:
    """Read what came of one of the machines, by length: its mean wrong bits, or ``mean_bits``."""
    path = FOLDER / f"{frame}_{positions}.json"
    told = json.loads(path.read_text(encoding="utf-8"))["lengths"]
    return {int(length): one[what] for length, one in told.items()}
