"""Checkpoints: all that a training run carries, so that it goes on as if it had never stopped."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ntm_tutorial import storage
from ntm_tutorial.settings import DEFAULTS, flat

if TYPE_CHECKING:
    from ntm_tutorial.training import Run
else:
    Run = Any  # training imports this file


def identity(run: "Run") -> dict[str, Any]:
    """Tell this run from others, in words that JSON can hold."""
    network = getattr(run.model, "settings", None)
    words = {"task": run.task.name, "network": network, **flat(run.settings), "seed": run.seed}
    return json.loads(json.dumps(words))


def save(run: "Run", path: Path) -> None:
    """Write a run as it is right after a validation: all its tensors and numbers.

    Raises:
        ValueError: if something else has written the file since this run last did.
    """
    if path.exists() and (run.saved is None or storage.digest(path) != run.saved):
        raise ValueError(f"checkpoint: another training writes to {path} too; this one ends here")
    moments = run.optimizer.state_dict()["state"]
    tensors = {
        **_prefixed("model", run.model.state_dict()),
        **_prefixed("best", run.best),
        **{
            f"optimizer.{index}.{name}": value
            for index, values in moments.items()
            for name, value in values.items()
            if isinstance(value, Tensor)
        },
        "generator": run.generator.get_state(),
    }
    for name, one in run.callbacks.items():
        tensors |= _prefixed(name, one.state_dict())
    about = {
        **identity(run),
        "history": asdict(run.history),
        "best_bits": run.best_bits if math.isfinite(run.best_bits) else None,
        "seen": run.seen,
        "skipped": run.skipped,
        "seconds": run.seconds,
    }
    run.saved = storage.save(path, tensors, about)


def load(run: "Run", path: Path) -> None:
    """Go back to where a file was written, on whatever device.

    Raises:
        ValueError: if it is damaged, or was written with other settings.
    """
    tensors, about = storage.load(path)
    for name, value in identity(run).items():
        found = about.get(name, DEFAULTS.get(name))  # older files lack newer settings
        if found != value:
            raise ValueError(
                f"checkpoint: it was made with {name}={found!r}, not {value!r}; "
                "use another file, or remove it to start anew"
            )
    try:
        _restore(run, tensors, about)
    except (KeyError, TypeError, RuntimeError, IndexError) as error:
        raise ValueError(f"checkpoint: it does not fit this run ({error}); remove it") from error
    run.saved = storage.digest(path)


def _restore(run: "Run", tensors: storage.Tensors, about: dict[str, Any]) -> None:
    run.model.load_state_dict(_under("model", tensors))
    run.best = _under("best", tensors)
    state, weights = run.optimizer.state_dict(), list(run.model.parameters())
    for name, value in _under("optimizer", tensors).items():
        index, field = name.split(".", 1)
        weight = weights[int(index)]
        if value.shape == weight.shape:
            # Fused Adam walks raw memory: a moment has to lie there as its weight does.
            value = torch.empty_like(weight, requires_grad=False).copy_(value)
        state["state"].setdefault(int(index), {})[field] = value
    run.optimizer.load_state_dict(state)
    for name, one in run.callbacks.items():
        one.load_state_dict(_under(name, tensors))
    run.generator.set_state(tensors["generator"])
    run.history = type(run.history)(**about["history"])
    run.best_bits = math.inf if about["best_bits"] is None else about["best_bits"]
    run.seen, run.seconds = about["seen"], about["seconds"]
    run.skipped = about.get("skipped", 0)


def _prefixed(prefix: str, tensors: storage.Tensors) -> storage.Tensors:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def _under(prefix: str, tensors: storage.Tensors) -> storage.Tensors:
    start = f"{prefix}."
    return {n.removeprefix(start): value for n, value in tensors.items() if n.startswith(start)}
