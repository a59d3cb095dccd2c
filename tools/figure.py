"""Draw the picture on the README and the front page: ``make figure``."""

from pathlib import Path

import torch

from ntm_tutorial import NTM, plots, pretrained
from ntm_tutorial.tasks.copy import Copy

TARGET = Path(__file__).parents[1] / "book" / "_static" / "figure.png"
LENGTH = 30


def main() -> None:
    plots.use_style()
    model = pretrained.load("copy", "ntm-feedforward").model
    assert isinstance(model, NTM)
    episode = Copy().sample(1, length=LENGTH, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, trace = model.trace(episode.inputs)
    plots.memory_use(episode, logits, trace).savefig(TARGET, dpi=200)
    print(f"wrote {TARGET.name}: a copy of length {LENGTH}")


if __name__ == "__main__":
    main()
