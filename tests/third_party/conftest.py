"""Clean environments: core and one instrument, installed from their wheels, and nothing else of ours.

No network is needed: the libraries are those of the environment that runs the tests, seen through
links; our own packages, which are installed there too, are left out.
"""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
NO_SERVER = "https://crds-serverless-mode.stsci.edu"
COMMAND = "from calcore.cli import main; main()"


def install(target: Path, *packages: Path) -> None:
    """Install packages from their sources as wheels."""
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--no-build-isolation", "--target", target, *packages],
        check=True, capture_output=True, text=True,
    )  # fmt: skip


@dataclass(frozen=True)
class Environment:
    """Folders of installed packages, and nothing besides them and the standard library."""

    folders: tuple[Path, ...]

    def python(
        self, *words: str | Path, cwd: Path, cache: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Python there, with the reference files of `cache` if there is one."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "CRDS"))}
        if cache is not None:
            kept |= {"CRDS_PATH": str(cache), "CRDS_SERVER_URL": NO_SERVER}
            kept |= {"CRDS_OBSERVATORY": "jwst", "CRDS_READONLY_CACHE": "1"}
        path = os.pathsep.join(map(str, self.folders))
        return subprocess.run(
            [sys.executable, "-S", *map(str, words)],
            cwd=cwd, env={**kept, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def calcore(
        self, *words: str | Path, cwd: Path, cache: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line there."""
        return self.python("-c", COMMAND, *words, cwd=cwd, cache=cache)

    def with_folder(self, folder: Path) -> "Environment":
        """Return an environment that sees one more folder."""
        return Environment((*self.folders, folder))


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of links to all installed libraries but our own packages."""
    folder = tmp_path_factory.mktemp("libraries")
    for key in ("purelib", "platlib"):
        for path in Path(sysconfig.get_path(key)).iterdir():
            ours = "calcore" in path.name.lower() or path.suffix == ".pth"
            if not ours and not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="session")
def clean(libraries: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with calcore and calcore-miri."""
    folder = tmp_path_factory.mktemp("clean")
    install(folder, ROOT / "core", ROOT / "plugins" / "miri")
    return Environment((folder, libraries))


@pytest.fixture(scope="session")
def shadowed(
    clean: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Environment]:
    """Return a function that puts packages before those that are installed already."""

    def put(*packages: Path) -> Environment:
        folder = tmp_path_factory.mktemp("shadowing")
        install(folder, *packages)
        return Environment((folder, *clean.folders))

    return put


@pytest.fixture(scope="session")
def stranger(clean: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The same, with a stranger's package."""
    folder = tmp_path_factory.mktemp("stranger")
    install(folder, HERE / "acme")
    return clean.with_folder(folder)


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a tiny installed package and returns its folder."""

    def write(
        name: str, points: str, module: str = "", *, requires: str = "", version: str = "1.0"
    ) -> Path:
        folder = tmp_path / f"site-{name}"
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        needs = f"Requires-Dist: {requires}\n" if requires else ""
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        )
        (info / "entry_points.txt").write_text(points)
        (folder / f"{name}_module.py").write_text(module)
        return folder

    return write


@pytest.fixture(scope="session")
def visit(clean: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny simulated visit, its reference files included."""
    folder = tmp_path_factory.mktemp("visit")
    done = clean.calcore(
        "simulate", "--instrument", "miri", "-o", "raw", "-q",
        "--subarray", "SUB64", "--dithers", "2", "--groups", "6", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "raw"
