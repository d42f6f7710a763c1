"""Clean environments: core and one instrument, installed from their wheels, and nothing else of ours.

No network is needed: the libraries are those of the environment that runs the tests, seen through
links; our own packages, which are installed there too, are left out.
"""

import fcntl
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from astropy.io import fits
from hatchling.build import build_wheel

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
NO_SERVER = "https://crds-serverless-mode.stsci.edu"
COMMAND = "from calcore.cli import main; main()"


class Warm:
    """A Python that has imported the libraries; see ``warm.py``."""

    def __init__(self, libraries: Path, scratch: Path) -> None:
        self._scratch = scratch
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", (HERE / "warm.py").read_text()], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment([libraries], scratch),
        )  # fmt: skip

    def run(
        self, folders: Sequence[Path], words: Sequence[str], cwd: Path, variables: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line in a process of an environment."""
        said = [self._scratch / name for name in ("output", "error")]
        for path in said:
            path.write_text("")
        asked = {
            "code": COMMAND, "words": words, "cwd": str(cwd), "environment": variables,
            "folders": [str(folder) for folder in folders],
            "output": str(said[0]), "error": str(said[1]),
        }  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        return subprocess.CompletedProcess(
            ["calcore", *words], status, *(path.read_text() for path in said)
        )

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def environment(folders: Sequence[Path], cache: Path | None, **more: str) -> dict[str, str]:
    """Return environment variables: where packages lie, and reference files if there is a cache."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "CRDS"))}
    if cache is not None:
        kept |= {"CRDS_PATH": str(cache), "CRDS_SERVER_URL": NO_SERVER}
        kept |= {"CRDS_OBSERVATORY": "jwst", "CRDS_READONLY_CACHE": "1"}
    return {**kept, **more, "PYTHONPATH": os.pathsep.join(map(str, folders))}


def install(target: Path, *packages: Path) -> None:
    """Install packages from their sources as wheels, as pip does, but in this process."""
    with TemporaryDirectory() as folder:
        for package in packages:
            with chdir(package):
                wheel = build_wheel(folder)
            with ZipFile(Path(folder, wheel)) as archive:
                archive.extractall(target)


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder that all packages lie in."""
    return ROOT


@pytest.fixture(scope="session")
def installed() -> Callable[..., None]:
    """Return the function that installs packages into a folder."""
    return install


@dataclass(frozen=True)
class Environment:
    """Folders of installed packages, and nothing besides them and the standard library."""

    folders: tuple[Path, ...]
    warm: Warm

    def python(
        self, *words: str | Path, cwd: Path, cache: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Start Python there, with the reference files of `cache` if there is one."""
        return subprocess.run(
            [sys.executable, "-S", *map(str, words)],
            cwd=cwd, env=environment(self.folders, cache, **variables), capture_output=True,
            text=True, check=False,
        )  # fmt: skip

    def calcore(
        self, *words: str | Path, cwd: Path, cache: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line there, in a process that need not import the libraries."""
        told = environment(self.folders, cache, **variables)
        return self.warm.run(self.folders, [*map(str, words)], cwd, told)

    def run(
        self, visit: Path, *words: str | Path, cwd: Path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Calibrate a visit there, without pictures, into the folder ``out``."""
        return self.calcore(
            "run", visit, "-o", "out", "--no-pictures", *words,
            cwd=cwd, cache=visit / "crds_cache", **variables,
        )  # fmt: skip

    def with_folder(self, folder: Path) -> "Environment":
        """Return an environment that sees one more folder."""
        return self.of(*self.folders, folder)

    def of(self, *folders: Path) -> "Environment":
        """Return an environment of other folders."""
        return Environment(folders, self.warm)


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
def warm(libraries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """A Python that has imported the libraries."""
    made = Warm(libraries, tmp_path_factory.mktemp("warm"))
    yield made
    made.close()


@contextmanager
def own_place() -> Iterator[Path]:
    """Give a folder that is there in every session; no two sessions have one at the same time."""
    for number in itertools.count():
        folder = ROOT / ".cache" / "third_party" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield folder
            return


def date_by_content(kernels: Sequence[Path]) -> None:
    """Give kernels a date that stands for what all of them say: while it does, machine code is kept."""
    content = 0
    for path in sorted(kernels):
        content = zlib.crc32(path.read_bytes(), content)
    for path in kernels:
        os.utime(path, (content, content))


@pytest.fixture(scope="session")
def clean(libraries: Path, warm: Warm) -> Iterator[Environment]:
    """An environment with calcore and calcore-miri."""
    with own_place() as place:
        folder = place / "clean"
        shutil.rmtree(folder, ignore_errors=True)
        install(folder, ROOT / "core", ROOT / "plugins" / "miri")
        date_by_content([*folder.glob("*/kernels/*.py")])
        yield Environment((folder, libraries), warm)


@pytest.fixture(scope="session")
def shadowed(
    clean: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Environment]:
    """Return a function that puts packages before those that are installed already."""

    def put(*packages: Path) -> Environment:
        folder = tmp_path_factory.mktemp("shadowing")
        install(folder, *packages)
        return clean.of(folder, *clean.folders)

    return put


@pytest.fixture(scope="session")
def alone(clean: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Core, and nothing else of ours."""
    folder = tmp_path_factory.mktemp("alone")
    for path in clean.folders[0].glob("calcore*"):
        if path.name == "calcore" or path.name.startswith("calcore-"):
            (folder / path.name).symlink_to(path)
    return clean.of(folder, *clean.folders[1:])


@pytest.fixture(scope="session")
def stranger(clean: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The same, with a stranger's package."""
    folder = tmp_path_factory.mktemp("stranger")
    install(folder, HERE / "acme")
    return clean.with_folder(folder)


@pytest.fixture(scope="session")
def broken(clean: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Core, one instrument, and a package that is broken in every way."""
    folder = tmp_path_factory.mktemp("broken")
    install(folder, HERE / "broken")
    return clean.with_folder(folder)


@pytest.fixture(scope="session")
def rivals(stranger: Environment, broken: Environment) -> Environment:
    """Both strangers' packages, one of which claims a name of the other."""
    return stranger.with_folder(broken.folders[-1])


@pytest.fixture(scope="session")
def outdated(clean: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Core, one instrument, and a stranger's package that was made for another core."""
    source, folder = (tmp_path_factory.mktemp(name) for name in ("source", "outdated"))
    shutil.copytree(HERE / "acme", source / "acme")
    project = source / "acme" / "pyproject.toml"
    project.write_text(project.read_text().replace("calcore>=0.1,<0.2", "calcore>=7,<8"))
    install(folder, source / "acme")
    return clean.with_folder(folder)


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


@dataclass(frozen=True)
class Done:
    """A run that has ended: its folder, what it said, and what the stranger's hooks have seen."""

    folder: Path
    said: str
    seen: list[dict[str, Any]]

    def one(self, pattern: str) -> Path:
        """Return the first product of a pattern, by name."""
        return min(self.folder.glob(pattern))

    def has(self, path: Path) -> bool:
        """Tell whether a product is here with the same bytes, but for the times of writing.

        The checksum of a mosaic's content is left out, since it holds its members' times.
        """
        times = rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d[.]\d+|CONTENT = '[^']*'"
        there = self.folder / path.name
        one, other = (re.sub(times, b"", file.read_bytes()) for file in (path, there))
        return one == other

    def has_pixels(self, path: Path) -> bool:
        """Tell whether a product is here with the same pixels, whatever its record says."""
        with fits.open(path) as one, fits.open(self.folder / path.name) as other:
            names = [hdu.name for hdu in one if hdu.is_image and hdu.data is not None]
            return all(np.array_equal(one[n].data, other[n].data, equal_nan=True) for n in names)


def finished(place: Environment, visit: Path, folder: Path, *words: str) -> Done:
    """Calibrate a visit, all stages."""
    report = folder / "report.json"
    done = place.run(visit, *words, cwd=folder, ACME_REPORT=str(report))
    assert done.returncode == 0, done.stderr
    seen = json.loads(report.read_text()) if report.is_file() else []
    return Done(folder / "out", done.stdout + done.stderr, seen)


@pytest.fixture(scope="session")
def plain(clean: Environment, visit: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The visit, where nothing of a stranger is installed."""
    return finished(clean, visit, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="session")
def named(stranger: Environment, visit: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The visit, with the stranger's package installed and named."""
    words = ("--with", "acme", "--set", "jump.rejection_threshold=7", "-v",
             "--set", "level.save_scatter=true", "--set", "clean_flicker_noise.skip=false",
             "--set", "clean_flicker_noise.fit_method=median")  # fmt: skip
    return finished(stranger, visit, tmp_path_factory.mktemp("named"), *words)
