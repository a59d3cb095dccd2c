"""Colab on this machine: its versions, in an environment of their own.

``tests/test_colab.py`` runs every notebook in it; `make colab` runs that test. `.venv-colab` holds
what Colab brings, and is made anew when the versions below change. A notebook runs in a copy: an
empty environment that sees all of `.venv-colab` and leaves it alone. So what lies in the copy
afterwards is what the notebook's setup cell installed.

Colab publishes its versions: pip-freeze.txt in github.com/googlecolab/backend-info. When they have
changed, change them here; they stand nowhere else. ``python3 tools/colab.py --compare`` reads that
list and fails if it has other versions. Without the flag, it prints the version of Colab's Python,
in the way in which a step of a GitHub workflow hands a value to the next.
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import distributions, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv-colab"
FONTS = HOME / "matplotlib"
"""Where matplotlib keeps what it knows of the fonts; as on Colab, it has looked at them before."""

PYTHON = "3.13"
PACKAGES = {
    "torch": "2.11.0",
    "numpy": "2.1.3",
    "matplotlib": "3.10.0",
    "joblib": "1.5.2",
    "ipywidgets": "7.7.1",
    "ipython": "7.34.0",
    "ipykernel": "6.17.1",
    "notebook": "6.5.7",  # which ipywidgets 7 asks for
}
"""Colab's runtime of August 2026."""


def versions() -> dict[str, str]:
    """Return the versions to run on: with COLAB_EXACT in the environment, Colab's own.

    Otherwise this Python's, and of PyTorch the one that the book pins: whoever tests the book has
    that, and another may be a download of several gigabytes.

    Raises:
        ValueError: Colab's own are asked for, and this is not its Python.
    """
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not os.environ.get("COLAB_EXACT"):
        return {"python": here, **PACKAGES, "torch": version("torch").split("+")[0]}
    if here != PYTHON:
        raise ValueError(f"COLAB_EXACT: expected Python {PYTHON}, which Colab has, got {here}")
    return {"python": here, **PACKAGES}


def python(environment: Path) -> Path:
    """Return the Python of a virtual environment."""
    return environment / "bin" / "python"


def site_packages(environment: Path) -> Path:
    """Return where a virtual environment keeps its packages."""
    base = {"base": str(environment), "platbase": str(environment)}
    return Path(sysconfig.get_path("purelib", "venv", base))


def packages(environment: Path) -> dict[str, str]:
    """Return name and version of each package that lies in a virtual environment itself."""
    found = distributions(path=[str(site_packages(environment))])
    return {item.name.lower().replace("_", "-"): item.version for item in found}


def make_home() -> None:
    """Make `.venv-colab`, unless it is there with these versions."""
    wanted, stamp = versions(), HOME / "versions.json"
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == wanted:
        return
    venv.create(HOME, clear=True, symlinks=True, with_pip=True)
    pins = [f"{name}=={number}" for name, number in wanted.items() if name != "python"]
    pip = (str(python(HOME)), "-m", "pip", "--disable-pip-version-check", "install", "-qq")
    subprocess.run([*pip, "--no-compile", *pins], check=True)
    fonts = {**os.environ, "MPLCONFIGDIR": str(FONTS)}
    subprocess.run(
        (str(python(HOME)), "-c", "import matplotlib.font_manager"), check=True, env=fonts
    )
    google_colab = site_packages(HOME) / "google" / "colab"
    google_colab.mkdir(parents=True)
    (google_colab / "__init__.py").touch()
    stamp.write_text(json.dumps(wanted), encoding="utf-8")


def make_copy(environment: Path) -> None:
    """Make an environment that sees all packages of `.venv-colab` and has none itself."""
    venv.create(environment, symlinks=True)
    (site_packages(environment) / "colab.pth").write_text(
        f"{site_packages(HOME)}\n", encoding="utf-8"
    )


def snapshot(repository: Path) -> str:
    """Commit the working tree as it is to a new repository, and return the commit's name."""

    def git(*arguments: str) -> str:
        command = ("git", f"--git-dir={repository}", f"--work-tree={ROOT}", *arguments)
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    subprocess.run(("git", "init", "--quiet", "--bare", str(repository)), check=True)
    git("add", "--all")
    author = ("-c", "user.name=Colab", "-c", "user.email=colab@localhost")
    git(*author, "commit", "--quiet", "--no-verify", "--no-gpg-sign", "--message=As it is")
    return git("rev-parse", "HEAD")


def changes(freeze: str) -> list[str]:
    """Say which of the versions above are not those of a list that ``pip freeze`` made."""
    found = []
    for name, here in PACKAGES.items():
        match = re.search(
            rf"^{name}(?:==| @ .*/{name}-)([\d.]+\d)", freeze, re.MULTILINE | re.IGNORECASE
        )
        if match is None or match[1] != here:
            found.append(f"{name}: {here} here, {match[1] if match else 'none'} on Colab")
    return found


def main() -> None:
    if sys.argv[1:] == ["--compare"]:
        sys.exit("\n".join(changes(sys.stdin.read())) or None)
    print(f"python={PYTHON}")


if __name__ == "__main__":
    main()
