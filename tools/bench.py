"""Measure training: ``make bench`` for throughput, with ``SEEDS=10`` live training as well."""

import argparse
import time
from dataclasses import replace

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from ntm_tutorial import train
from ntm_tutorial.recipes import LIVE, MODELS, recipe
from ntm_tutorial.tasks import TASKS
from ntm_tutorial.tasks.copy import Copy

BATCH_SIZE = 16
LENGTH = 20
BATCHES = 50
WARM_UP = 5
GOAL = 0.1


def throughput(model_name: str) -> float:
    """Return sequences per processor second: copy at length 20, batch 16, no compile."""
    task = Copy()
    model = recipe(task.name, model_name).build()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    for batch in range(WARM_UP + BATCHES):
        if batch == WARM_UP:
            start = time.process_time()
        episode = task.sample(BATCH_SIZE, length=LENGTH)
        logits, _ = model(episode.inputs)
        loss = binary_cross_entropy_with_logits(logits[episode.mask], episode.targets[episode.mask])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    return BATCHES * BATCH_SIZE / (time.process_time() - start)


def live(seed: int) -> str:
    """Train chapter 6's machine to the end, past its goal, and say how it went."""
    plan = replace(LIVE, training=LIVE.training | {"stop_at": None})
    history = train(plan.build(seed), TASKS[plan.task], seed=seed, progress=False, **plan.training)
    reached = history.reached(GOAL)
    if reached is None:
        return f"not solved; {history.validation_bits[-1]:.2f} bits in the end"
    at = history.sequences.index(reached)
    worst = max(history.validation_bits[at:])
    return (
        f"{GOAL} bits after {reached:6,} sequences, {history.seconds[at]:3.0f} processor seconds; "
        f"at worst {worst:.2f} bits in the {history.sequences[-1] - reached:,} sequences after that"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=0, help="live training from so many seeds")
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    for model_name in MODELS:
        print(f"{model_name:16} {throughput(model_name):6.0f} sequences per processor second")
    for seed in range(seeds):
        print(f"live, seed {seed}: {live(seed)}", flush=True)


if __name__ == "__main__":
    main()
