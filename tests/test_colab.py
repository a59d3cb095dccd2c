"""Every notebook, unchanged, as on Colab: its versions, an empty folder, nothing installed yet.

The setup cell installs the package from the project's address; git is told to find the working tree
there, as it is. `tools/colab.py` has the versions.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from filelock import FileLock
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

from tools import colab, links
from tools.execute import is_progress_bar

PATHS = sorted(links.ROOT.glob("notebooks/*.ipynb"))
CELL_SECONDS = 900

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.version_info[:2] > tuple(map(int, colab.PYTHON.split("."))),
        reason="Colab's versions are too old for this Python",
    ),
]


class Repository(NamedTuple):
    """The working tree, where git finds it."""

    folder: Path
    commit: str


class Run(NamedTuple):
    """What came of running a notebook."""

    environment: Path
    installed: dict[str, str]
    complaints: list[str]


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Make `.venv-colab`, one worker at a time, and commit the working tree to a new repository."""
    with FileLock(colab.HOME.with_suffix(".lock")):
        colab.make_home()
    folder = tmp_path_factory.mktemp("repository")
    return Repository(folder, colab.snapshot(folder))


def complaints(notebook: Any) -> Iterator[str]:
    """Yield what a notebook's cells wrote to stderr, but for progress bars."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr" and not is_progress_bar(output):
                yield output.text


def run(notebook: Any, folder: Path, repository: Repository) -> Run:
    """Run a notebook from top to bottom, as on Colab; raises nbclient's error if a cell fails."""
    environment, work = folder / "environment", folder / "content"
    colab.make_copy(environment)
    work.mkdir()
    kernel = folder / "kernels" / "colab" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    launch = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
    command = [str(colab.python(environment)), *launch]
    variables = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository.folder.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": links.project_url(links.ROOT),
        "IPYTHONDIR": str(folder / "ipython"),
        "MPLCONFIGDIR": str(colab.FONTS),
        "PYTHONPATH": "",
    }
    kernel.write_text(
        json.dumps({"argv": command, "display_name": "Colab", "env": variables}), encoding="utf-8"
    )
    client = NotebookClient(
        notebook,
        kernel_name="colab",
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(work)}},
        store_widget_state=False,
        skip_cells_with_tag="exercise",  # which fails until a reader completes it
    )
    kernels = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])
    client.create_kernel_manager().kernel_spec_manager = kernels
    client.execute()
    return Run(environment, colab.packages(environment), list(complaints(notebook)))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_colab_and_replaces_nothing_there(
    path: Path,
    tmp_path: Path,
    repository: Repository,
    record_property: Callable[[str, object], None],
) -> None:
    brought = colab.packages(colab.HOME)
    start = time.perf_counter()
    done = run(nbformat.read(path, as_version=4), tmp_path, repository)
    versions = ", ".join(f"{name} {number}" for name, number in colab.versions().items())
    seconds = round(time.perf_counter() - start)
    record_property(f"tally As on Colab, with {versions}: s for {path.stem}", seconds)
    assert not done.complaints
    assert not done.installed.keys() & brought.keys()
    assert brought == colab.packages(colab.HOME)
    site = colab.site_packages(done.environment)
    origin = json.loads(
        next(site.glob("ntm_tutorial-*/direct_url.json")).read_text(encoding="utf-8")
    )
    assert origin["url"] == links.project_url(links.ROOT)
    assert origin["vcs_info"]["commit_id"] == repository.commit


def test_what_a_setup_cell_replaces_is_noticed(tmp_path: Path, repository: Repository) -> None:
    cell = nbformat.v4.new_code_cell("%pip install -q traitlets==5.0.0")
    done = run(nbformat.v4.new_notebook(cells=[cell]), tmp_path, repository)
    assert "traitlets" in done.installed.keys() & colab.packages(colab.HOME).keys()


def test_the_home_has_the_versions(repository: Repository) -> None:
    brought = colab.packages(colab.HOME)
    for name, number in colab.versions().items():
        assert name == "python" or brought[name].split("+")[0] == number


def test_the_home_is_made_anew_when_the_versions_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colab, "HOME", tmp_path)
    (tmp_path / "versions.json").write_text(json.dumps(colab.versions()), encoding="utf-8")
    made: list[Path] = []
    monkeypatch.setattr(colab.venv, "create", lambda home, **_: made.append(home))
    monkeypatch.setattr(colab.subprocess, "run", lambda command, **_: None)
    colab.make_home()
    assert not made
    monkeypatch.setitem(colab.PACKAGES, "numpy", "2.0.0")
    colab.make_home()
    assert made == [tmp_path]
    assert json.loads((tmp_path / "versions.json").read_text(encoding="utf-8"))["numpy"] == "2.0.0"


def test_colabs_own_versions_ask_for_its_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLAB_EXACT", "1")
    monkeypatch.setattr(colab, "PYTHON", f"3.{sys.version_info.minor}")
    assert colab.versions()["torch"] == colab.PACKAGES["torch"]
    monkeypatch.setattr(colab, "PYTHON", "3.0")
    with pytest.raises(ValueError, match=r"COLAB_EXACT: expected Python 3\.0"):
        colab.versions()


def test_a_change_on_colab_is_noticed() -> None:
    rows = [f"{name}=={number}" for name, number in colab.PACKAGES.items()]
    torch, numpy, *others = rows
    wheel = f"torch @ https://example.org/{torch.replace('==', '-')}%2Bcpu-cp313-linux.whl"
    assert not colab.changes("\n".join(rows))
    assert not colab.changes("\n".join([wheel, *rows[1:]]))
    assert not colab.changes("\n".join([f"{torch}+cu128", *rows[1:]]))
    assert colab.changes("\n".join([torch, f"{numpy}.1", *others[1:]])) == [
        f"numpy: {colab.PACKAGES['numpy']} here, {colab.PACKAGES['numpy']}.1 on Colab",
        f"matplotlib: {colab.PACKAGES['matplotlib']} here, none on Colab",
    ]
