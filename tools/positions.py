"""Train the Transformers of chapter 14: one position code after the other, silent and fed.

`python -m tools.positions` trains every machine from seed 0, all with the same settings but for the
code, and writes a file for each into the package's results. What is there it leaves alone, unless
it came from other settings than today's. So it can be interrupted.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ntm_tutorial import storage
from ntm_tutorial.evaluation import sweep
from ntm_tutorial.lab.positions import FOLDER, FRAMES, LENGTHS, SEED
from ntm_tutorial.models.transformer import POSITIONS, Transformer
from ntm_tutorial.recipes import recipe
from ntm_tutorial.settings import flat
from ntm_tutorial.tasks import ALL_TASKS, Task
from ntm_tutorial.training import train

SEQUENCES = 100
"""Fresh ones of each length."""
SETTINGS = recipe("copy", "transformer-coupled").settings
NETWORK: dict[str, Any] = {"heads": 4, "window": 4}


@dataclass(frozen=True)
class Machine:
    """One of the machines: a name in `FRAMES`, and its position code."""

    frame: str
    positions: str

    @property
    def task(self) -> Task:
        """What it learns."""
        return ALL_TASKS[FRAMES[self.frame]]

    @property
    def path(self) -> Path:
        """Where its record stands."""
        return FOLDER / f"{self.frame}_{self.positions}.json"

    @property
    def network(self) -> dict[str, Any]:
        """Keyword arguments of `Transformer`."""
        first = self.task.input_channels["delimiter"].start
        restart = [first] if self.positions == "coupled" else []
        return NETWORK | {"positions": self.positions, "restart": restart}

    @property
    def described(self) -> dict[str, Any]:
        """All that makes it what it is, as JSON has it."""
        how = {"network": self.network, "training": flat(SETTINGS), "seed": SEED}
        return json.loads(json.dumps(how))

    def build(self) -> nn.Module:
        """Build it; the global random state is kept."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            return Transformer(self.task.input_size, self.task.output_size, **self.network)

    def record(self) -> dict[str, Any]:
        """Train and test it, and return what there is to tell."""
        model = self.build()
        history = train(model, self.task, **vars(SETTINGS), seed=SEED, progress=False)
        found = sweep(model, self.task, "length", LENGTHS, sequences=SEQUENCES)
        lengths = {
            length: {
                "mean_wrong": one.mean_wrong,
                "mean_bits": round(one.mean_bits, 3),
                "share_perfect": one.share_perfect,
            }
            for length, one in found.items()
        }
        return self.described | {"history": asdict(history), "lengths": lengths}

    @property
    def done(self) -> bool:
        """Whether there is a record that came from today's settings."""
        if not self.path.exists():
            return False
        told = json.loads(self.path.read_text(encoding="utf-8"))
        return self.described.items() <= told.items()


MACHINES = tuple(Machine(frame, positions) for frame in FRAMES for positions in POSITIONS)
"""What is trained: silent ones first."""


def main() -> None:
    """Record what is to be recorded."""
    torch.set_num_threads(1)
    left = [machine for machine in MACHINES if not machine.done]
    print(f"{len(left)} machines to train, a third of a minute of processor time each")
    for machine in left:
        print(f"{machine.frame}, {machine.positions}", flush=True)
        storage.write_text(machine.path, json.dumps(machine.record()) + "\n")


if __name__ == "__main__":
    main()
