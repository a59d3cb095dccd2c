"""Files on disk, written whole or not at all; weights and checkpoints without pickle."""

import hashlib
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from ntm_tutorial.checks import telling

Tensors = dict[str, Tensor]


@telling
def save(path: str | Path, tensors: Tensors, about: dict[str, Any]) -> str:
    """Write tensors, of any shape, and a description; replace an older file once all is on disk.

    The description goes into the file's header as JSON, beside a digest of everything, so that a
    damaged or edited file is noticed. Returns that digest.

    Raises:
        ValueError: if the path leads to something other than a file, such as a device.
        OSError: if the file cannot be written; an older one is still there.
    """
    tensors = {  # copies, because tensors that share their memory cannot be written
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    text = json.dumps(about, sort_keys=True)
    digest = _digest(tensors, text)
    _write(path, serialize(tensors, {"about": text, "digest": digest}))
    return digest


@telling
def write_text(path: str | Path, text: str) -> None:
    """Write a text file; replace an older one once all is on disk.

    Raises:
        ValueError: if the path leads to something other than a file, such as a device.
        OSError: if the file cannot be written; an older one is still there.
    """
    _write(path, text.encode())


def check_file(path: str | Path) -> Path:
    """Refuse a path where no file can be: a folder, a device, a pipe.

    Raises:
        ValueError: saying what was given.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ValueError(f"path: expected a file, or a name for one, got {path}")
    return path


def check_folder(folder: str | Path) -> None:
    """Make a folder where there is none; refuse one in which no file can be written.

    Raises:
        OSError: saying why.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"{folder}: cannot be written: {error.strerror or error}") from error


def _write(path: str | Path, content: bytes) -> None:
    path = check_file(path).resolve()  # through a link to where it leads
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"{path}: cannot be written: {reason}") from error


@telling
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
    except (SafetensorError, RuntimeError, AttributeError) as error:
        raise ValueError(f"path: {path.name} is damaged ({error}); fetch it again") from error
    if header.get("digest") != _digest(tensors, header.get("about", "")):
        raise ValueError(f"path: {path.name} is damaged or was edited: its digest does not fit")
    return tensors, json.loads(header["about"])


def digest(path: str | Path) -> str | None:
    """Return a file's digest, without reading its tensors; None where it has none."""
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("digest")
    except SafetensorError:
        return None


def _digest(tensors: Tensors, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())  # of any type
    return digest.hexdigest()
