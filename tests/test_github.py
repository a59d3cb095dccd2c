"""What only GitHub and Binder run: workflows, containers, the citation, the release. Read here."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import colab
from tools.links import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEV_CONTAINER = json.loads(
    (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs() -> dict[str, Any]:
    """Return each job of each workflow, as `workflow/job`."""
    return {
        f"{path.stem}/{name}": job for path in WORKFLOWS for name, job in read(path)["jobs"].items()
    }


def program(name: str) -> str:
    """Return a program of this environment."""
    return str(Path(sys.executable).with_name(name))


def pythons() -> list[str]:
    """Return the versions of Python that pyproject.toml claims."""
    rows = (row.rpartition(" :: ") for row in PROJECT["classifiers"])
    return [number for row, _, number in rows if row == "Programming Language :: Python"]


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("github-workflows", WORKFLOWS),
        ("dependabot", [GITHUB / "dependabot.yml"]),
        ("citation-file-format", [ROOT / "CITATION.cff"]),
    ],
)
def test_they_keep_to_their_schemas(schema: str, paths: list[Path]) -> None:
    command = [program("check-jsonschema"), "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, check=False)
    assert paths
    assert done.returncode == 0, done.stdout


def test_the_workflows_are_safe() -> None:
    """Least permissions, pinned actions, no credentials left behind."""
    command = [program("zizmor"), "--offline", "--quiet", str(GITHUB)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_job_can_end() -> None:
    own = {name: job for name, job in jobs().items() if "uses" not in job}
    assert not [name for name, job in own.items() if "timeout-minutes" not in job]


def test_they_make_what_the_makefile_knows() -> None:
    targets = set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    scripts = [
        step["run"] for job in jobs().values() for step in job.get("steps", []) if "run" in step
    ]
    scripts.append(DEV_CONTAINER["postCreateCommand"])
    asked = chain(*(re.findall(r"\bmake ([-\w= ]+)", script) for script in scripts))
    names = {word for words in asked for word in words.split() if re.fullmatch("[a-z]+", word)}
    assert {"test", "book", "colab", "dist", "venv"} <= names
    assert names <= targets


def test_they_agree_on_the_versions_of_python() -> None:
    claimed = pythons()
    assert PROJECT["requires-python"] == f">={claimed[0]}"
    assert jobs()["ci/test"]["strategy"]["matrix"]["python"] == claimed
    assert colab.PYTHON in claimed
    assert (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix(
        "python-"
    ) in claimed
    assert DEV_CONTAINER["image"].rpartition(":")[2] in claimed
    for job in jobs().values():
        for step in job.get("steps", []):
            number = step.get("with", {}).get("python-version", claimed[0])
            assert number in claimed or number.startswith("${{")


@pytest.mark.parametrize(("already_open", "created"), [(0, 1), (1, 0)])
def test_a_failure_opens_one_issue(already_open: int, created: int, tmp_path: Path) -> None:
    """The weekly run's script, with a `gh` that notes what it is asked for."""
    job = jobs()["colab/report"]
    (script,) = (step["run"] for step in job["steps"])
    gh = tmp_path / "gh"
    gh.write_text(
        f'#!/bin/sh\necho "$2 $*" >> "$0.log"\n[ "$2" = list ] && echo {already_open}\ntrue\n',
        encoding="utf-8",
    )
    gh.chmod(0o755)
    names = {name: str(value) for name, value in job["env"].items()}
    names["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["bash", "-e", "-c", script], env=names, check=True)
    asked = [
        line.split()[0] for line in (tmp_path / "gh.log").read_text(encoding="utf-8").splitlines()
    ]
    assert asked == ["list"] + ["create"] * created


def test_binder_takes_the_pinned_versions(tmp_path: Path) -> None:
    """Its script, with a `pip` that notes what it is asked for."""
    script = ROOT / "binder" / "postBuild"
    assert os.access(script, os.X_OK)
    pip = tmp_path / "pip"
    pip.write_text('#!/bin/sh\necho "$*" > "$0.log"\n', encoding="utf-8")
    pip.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run([script], env={**os.environ, "PATH": path}, cwd=ROOT, check=True)
    asked = (tmp_path / "pip.log").read_text(encoding="utf-8").split()
    pins = Path(asked[asked.index("--constraint") + 1]).read_text(encoding="utf-8").splitlines()
    assert asked[-2:] == ["--editable", "."]
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", pin) for pin in pins)
    for requirement in PROJECT["dependencies"]:
        name = re.split(">=", requirement)[0]
        assert any(pin.startswith(f"{name}==") for pin in pins), name


def test_the_citation_is_of_this_version() -> None:
    citation = read(ROOT / "CITATION.cff")
    assert citation["version"] == PROJECT["version"]
    assert citation["title"] == read(ROOT / "_config.yml")["title"]
    assert citation["license"] == PROJECT["license"].split(" AND ")


def test_make_prints_the_version() -> None:
    command = ["make", "--silent", "version", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{PROJECT['version']}\n"


def test_the_package_that_is_released_is_whole(tmp_path: Path) -> None:
    """Its source gives a wheel with all modules, trained weights and results, and nothing else."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    (source,) = tmp_path.glob("*.tar.gz")
    package = ROOT / "ntm_tutorial"
    files = {
        *package.rglob("*.py"),
        *package.glob("pretrained/*.safetensors"),
        *package.glob("lab/results/**/*.json"),
        *package.glob("lab/results/**/*.safetensors"),
        package / "py.typed",
    }
    wanted = {str(path.relative_to(ROOT)) for path in files}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name for name in names if ".dist-info/" not in name} == wanted
    assert any(name.endswith("licenses/LICENSE") for name in names)
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert wanted | {"LICENSE", "README.md", "pyproject.toml"} <= names
