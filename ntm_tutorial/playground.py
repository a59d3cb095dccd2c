"""The playground on the book's pages: trained machines as scripts, and what they must compute.

The pages run the machines in the reader's browser, with the JavaScript in
``book/_static/playground``. This file writes the numbers that it needs. They stand in scripts,
because a page that was opened from a disk may load nothing else.
"""

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ntm_tutorial import pretrained
from ntm_tutorial.checks import telling
from ntm_tutorial.models import FAMILIES, SequenceModel
from ntm_tutorial.tasks import TASKS

PART = 2**20
"""Characters in one script; a longer text comes in several, so that a page can report progress."""

Pack = dict[str, Any]
"""Tensors as text: ``bits`` of a number, ``tensors`` (name and size), ``data`` in base64."""


def playable() -> list[tuple[str, str]]:
    """List the trained models that the pages can run, as (task, model): on the paper's tasks."""
    return [
        (task, model)
        for task, model in pretrained.available()
        if task in TASKS and FAMILIES[model].start is not None
    ]


@telling
def write(folder: str | Path) -> list[Path]:
    """Write every such model as scripts, and ``catalogue.js``, which lists them.

    Each text comes with its CRC-32, so that the page refuses what was damaged on the way.

    Returns:
        the files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    catalogue, written = {}, []
    for task_name, model_name in playable():
        name = f"{task_name}_{model_name}"
        entry = pack_machine(pretrained.load(task_name, model_name).model)
        data = entry.pop("data")
        parts = [data[start : start + PART] for start in range(0, len(data), PART)]
        for number, part in enumerate(parts):
            written.append(folder / f"{name}.{number}.js")
            written[-1].write_text(
                f'Weights.receive("{name}", {number}, "{part}");\n', encoding="utf-8"
            )
        catalogue[name] = entry | {
            "parts": len(parts),
            "characters": len(data),
            "sums": [zlib.crc32(part.encode()) for part in parts],
            "digest": hashlib.sha256(data.encode()).hexdigest()[:12],
        }
    listed = json.dumps(catalogue, separators=(",", ":"))
    written.append(folder / "catalogue.js")
    written[-1].write_text(
        f"Weights.list({json.dumps(listed)}, {zlib.crc32(listed.encode())});\n", encoding="utf-8"
    )
    return written


@telling
def pack_machine(model: nn.Module) -> Pack:
    """Pack all that a machine computes with, the name of its class, and its ``settings``.

    The tensors are its layers, under PyTorch's names, and ``start...``, where a sequence begins.
    The start is computed here, so that the browser need not know which of it was learned.

    Raises:
        ValueError: if the pages cannot run such a model.
    """
    known = [row for row in FAMILIES.values() if row.start is not None]
    given = getattr(model, "settings", {}).items()
    own = (row.start for row in known if type(model) is row.kind and row.fixed.items() <= given)
    start = next(own, None)
    if start is None:
        names = [row.name for row in known]
        raise ValueError(f"model: expected one of {names}, got {type(model).__name__}")
    first = start(cast(SequenceModel, model).initial_state(1))
    tensors = {name: value for name, value in model.state_dict().items() if "initial" not in name}
    tensors |= {f"start.{name}": value for name, value in first.items()}
    return pack(tensors) | {"kind": type(model).__name__, "settings": model.settings}


@telling
def pack(tensors: dict[str, Tensor]) -> Pack:
    """Write tensors as text that ``Weights.unpack`` reads in the browser.

    Each number takes as few bits, 16, 32 or 64, as hold all of them exactly. A model that
    ``pretrained`` keeps in half precision so takes 16 here too, and gives the same answers.

    Args:
        tensors: by name, of any shape; the browser gets them flat, row after row.

    Raises:
        ValueError: if there is no tensor, or a number is none (NaN).
    """
    if not tensors:
        raise ValueError("tensors: expected some, got none")
    flat = torch.cat([tensor.detach().cpu().flatten().double() for tensor in tensors.values()])
    types = (torch.float16, torch.float32, torch.float64)
    if bool(flat.isnan().any()):
        raise ValueError("tensors: expected numbers, got NaN")
    dtype = next(dtype for dtype in types if torch.equal(flat.to(dtype).double(), flat))
    return {
        "bits": 8 * dtype.itemsize,
        "tensors": [(name, tensor.numel()) for name, tensor in tensors.items()],
        "data": base64.b64encode(flat.to(dtype).numpy().tobytes()).decode(),
    }
