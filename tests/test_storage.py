"""Files come back as they were written, or are refused."""

import errno
import json
import math
import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ntm_tutorial import storage

ROOT = Path(__file__).parent.parent
TENSORS = {
    "weight": torch.arange(6.0).view(2, 3),
    "double": torch.tensor([1 / 3], dtype=torch.float64),
    "step": torch.tensor(7.0),
    "state": torch.arange(5, dtype=torch.uint8),
    "empty": torch.empty(0, 3),
    "brain": torch.tensor([[1.5, -2.0]], dtype=torch.bfloat16),
}
ABOUT = {"kind": "test", "numbers": [0.1, 1e-300, None], "text": "Größe"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    storage.save(tmp_path / "file.safetensors", TENSORS, ABOUT)
    return tmp_path / "file.safetensors"


def test_what_goes_in_comes_out(file: Path) -> None:
    tensors, about = storage.load(file)
    assert about == ABOUT
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].equal(tensor)
        assert tensors[name].dtype == tensor.dtype


def test_layout_and_gradients_do_not_matter(tmp_path: Path) -> None:
    matrix = torch.rand(3, 4, requires_grad=True)
    views = {"turned": matrix.T, "column": matrix[:, 1], "wide": matrix[:, :1].expand(3, 9)}
    storage.save(tmp_path / "new" / "folder" / "file", views, {})
    tensors, _ = storage.load(tmp_path / "new" / "folder" / "file")
    assert all(tensors[name].equal(tensor) for name, tensor in views.items())


def test_infinite_numbers_survive(tmp_path: Path) -> None:
    storage.save(tmp_path / "file", {}, {"bits": [math.inf, math.nan]})
    _, about = storage.load(tmp_path / "file")
    assert about["bits"][0] == math.inf
    assert math.isnan(about["bits"][1])


def test_tensors_that_share_memory_are_written_twice(tmp_path: Path) -> None:
    tied = torch.rand(4)
    storage.save(tmp_path / "file", {"one": tied, "other": tied, "part": tied[:2]}, {})
    found, _ = storage.load(tmp_path / "file")
    assert found["one"].equal(tied)
    assert found["other"].equal(tied)
    assert found["part"].equal(tied[:2])


@pytest.mark.parametrize(
    "stop", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")], ids=repr
)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    stop: BaseException, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = list[str]()

    def fail(_: int) -> None:
        parts.extend(path.name for path in file.parent.glob("*.part"))
        raise stop

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        for _ in range(2):
            with pytest.raises(type(stop)) as found:
                storage.save(file, TENSORS, {"kind": "newer"})
        with pytest.raises(type(stop)):
            storage.write_text(file, "newer")
    if isinstance(stop, OSError):
        assert str(found.value) == f"{file}: cannot be written: No space left on device"
    assert storage.load(file)[1] == ABOUT
    assert list(file.parent.iterdir()) == [file]
    assert len(set(parts)) == 3, "each has a name of its own"


def test_its_digest_tells_a_file_from_others(file: Path) -> None:
    first = storage.digest(file)
    newer = storage.save(file, TENSORS, {"kind": "newer"})
    assert storage.digest(file) == newer != first
    file.write_bytes(b"junk")
    assert storage.digest(file) is None


def test_where_no_file_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for write in (storage.write_text, lambda path, _: storage.save(path, TENSORS, {})):
        with pytest.raises(OSError, match=r"file/below/file: cannot be written: "):
            write(tmp_path / "file" / "below" / "file", "")
        os.mkfifo(tmp_path / write.__name__)
        for path in (Path("/dev/null"), tmp_path, tmp_path / write.__name__):
            with pytest.raises(ValueError, match=f"^path: expected a file, .*, got {path}"):
                write(path, "")


def test_files_obey_the_umask(tmp_path: Path) -> None:
    for mask, mode in ((0o022, 0o644), (0o007, 0o660)):
        before = os.umask(mask)
        try:
            storage.save(tmp_path / "file", TENSORS, {})
            storage.write_text(tmp_path / "text", "")
        finally:
            os.umask(before)
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {mode}


def test_a_write_replaces_the_file_at_once(file: Path) -> None:
    before = file.read_bytes()
    with file.open("rb") as reader:  # who has the old file open goes on reading the old one
        storage.save(file, TENSORS, {"kind": "newer"})
        assert reader.read() == before
    assert storage.load(file)[1] == {"kind": "newer"}
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_flipped_bit_in_any_byte_is_noticed(file: Path) -> None:
    content = file.read_bytes()
    broken = file.with_name("broken")
    for position in range(len(content)):
        for bit in range(8) if position < 16 else (position % 8,):
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            broken.write_bytes(changed)
            with pytest.raises(ValueError, match=r"^path: broken is damaged"):
                storage.load(broken)


def test_every_truncation_is_noticed(file: Path) -> None:
    content = file.read_bytes()
    broken = file.with_name("broken")
    for length in range(len(content)):
        broken.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"^path: broken is damaged"):
            storage.load(broken)
    broken.write_bytes(content + b"\0")
    with pytest.raises(ValueError, match=r"^path: broken is damaged"):
        storage.load(broken)


def test_edited_descriptions_and_tensors_are_noticed(file: Path) -> None:
    tensors, about = storage.load(file)
    header = json.loads(file.read_bytes()[8:].split(b"}}", 1)[0] + b"}}")["__metadata__"]
    assert json.loads(header["about"]) == about
    edited = json.dumps({**about, "kind": "better"}, sort_keys=True)
    other = {**tensors, "weight": tensors["weight"] + 1}
    renamed = {name.replace("weight", "height"): tensor for name, tensor in tensors.items()}
    reshaped = {**tensors, "weight": tensors["weight"].view(3, 2)}
    typed = {**tensors, "step": tensors["step"].view(torch.int32)}
    fewer = {name: tensor for name, tensor in tensors.items() if name != "empty"}
    for kept in (other, renamed, reshaped, typed, fewer):
        save_file(kept, file, metadata=header)
        with pytest.raises(ValueError, match="edited: its digest does not fit"):
            storage.load(file)
    save_file(tensors, file, metadata={**header, "about": edited})
    with pytest.raises(ValueError, match="edited: its digest does not fit"):
        storage.load(file)


@pytest.mark.parametrize("metadata", [None, {}, {"about": "{}"}, {"format": "pt"}])
def test_other_peoples_files_are_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file(TENSORS, tmp_path / "file", metadata=metadata)
    with pytest.raises(ValueError, match=r"^path: file is damaged or was edited"):
        storage.load(tmp_path / "file")


@pytest.mark.parametrize("content", [{"weight": torch.zeros(2)}, [1, 2, 3]])
def test_pickles_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "file")
    with pytest.raises(ValueError, match=r"^path: file is damaged"):
        storage.load(tmp_path / "file")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^path: no file .*nothing"):
        storage.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match=r"^path: no file"):
        storage.load(tmp_path)


def test_nothing_in_the_repository_is_a_pickle() -> None:
    paths: list[Path] = []
    for folder, inside, files in os.walk(ROOT):
        inside[:] = [
            name
            for name in inside
            if not (name.startswith((".", "_build")) or Path(folder, name, "pyvenv.cfg").exists())
        ]
        paths += [Path(folder, name) for name in files if not name.startswith(".")]
    assert ROOT / "ntm_tutorial" / "storage.py" in paths
    for path in paths:
        start = path.read_bytes()[:10]
        assert path.suffix not in {".pt", ".pth", ".pkl", ".ckpt", ".bin", ".npy", ".npz"}, path
        assert not start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"\x80\x05")), path
        if path.suffix == ".safetensors":
            assert start[8:9] == b"{", path
