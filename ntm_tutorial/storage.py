"""Files on disk, written whole or not at all; weights and checkpoints without pickle."""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

Tensors = dict[str, Tensor]


def save(path: str | Path, tensors: Tensors, about: dict[str, Any]) -> None:
    """Write tensors, of any shape, and a description; replace an older file once all is on disk.

    The description goes into the file's header as JSON, beside a digest of everything, so that a
    damaged or edited file is noticed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(about, sort_keys=True)
    temporary = path.with_name(path.name + ".part")
    save_file(tensors, temporary, metadata={"about": text, "digest": _digest(tensors, text)})
    temporary.replace(path)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file; replace an older one once all is on disk."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text)
    temporary.replace(path)


def load(path: str | Path) -> tuple[Tensors, dict[str, Any]]:
    """Read what ``save`` wrote: tensors of any shape, and their description.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, was edited, or is not one of ours.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path: no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            header = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"path: {path.name} is damaged ({error}); fetch it again") from error
    if header.get("digest") != _digest(tensors, header.get("about", "")):
        raise ValueError(f"path: {path.name} is damaged or was edited: its digest does not fit")
    return tensors, json.loads(header["about"])


def _digest(tensors: Tensors, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
