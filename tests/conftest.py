"""Simulated visits that tests of several folders calibrate; made once for each run of the suite."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CRDS = {
    "CRDS_SERVER_URL": "https://crds-serverless-mode.stsci.edu",
    "CRDS_OBSERVATORY": "jwst",
    "CRDS_READONLY_CACHE": "1",
}


SHARED = Path(__file__).parents[2] / "shared" / "data"
"""Real geometry, from public repositories; not a part of the project."""


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real geometry; the test is skipped where it is not."""
    if not SHARED.is_dir():
        pytest.skip("there is no ../shared/data with real geometry beside the project")
    return SHARED


@dataclass(frozen=True)
class Visit:
    """A folder of raw exposures with an association, references and truth."""

    folder: Path

    @property
    def raw(self) -> list[Path]:
        """Raw exposures."""
        return sorted(self.folder.glob("*_uncal.fits"))

    @property
    def association(self) -> Path:
        """The association that combines them."""
        return next(self.folder.glob("*_image3_*_asn.json"))


def simulated(folder: Path, instrument: str, **options: object) -> Visit:
    """Simulate a small visit into a folder."""
    from importlib import import_module

    from calcore.simulate import VisitOptions, simulate

    tables = import_module(f"calcore_{instrument}.simulate").SIMULATION
    simulate(tables, folder, VisitOptions(**options))
    return Visit(folder)


@pytest.fixture(scope="session")
def miri_visit(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    """Two dithered exposures of a small sub-array."""
    folder = tmp_path_factory.mktemp("visit") / "miri"
    return simulated(folder, "miri", subarray="SUB64", n_groups=8, n_dithers=2, seed=3)


@pytest.fixture(scope="session")
def nircam_visit(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    """Two dithered exposures of a small sub-array."""
    folder = tmp_path_factory.mktemp("visit") / "nircam"
    return simulated(folder, "nircam", subarray="SUB160", n_groups=6, n_dithers=2, seed=3)


@pytest.fixture(scope="session")
def niriss_visit(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    """Two dithered exposures of a small sub-array."""
    folder = tmp_path_factory.mktemp("visit") / "niriss"
    return simulated(folder, "niriss", subarray="SUB128", n_groups=5, n_dithers=2, seed=3)


@pytest.fixture(scope="session")
def fgs_visit(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    """Two dithered exposures of a small sub-array."""
    folder = tmp_path_factory.mktemp("visit") / "fgs"
    return simulated(folder, "fgs", subarray="SUB128CNTR", n_groups=5, n_dithers=2, seed=3)


@contextmanager
def references_of(visit: Visit) -> Iterator[None]:
    """Take references from a visit's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**CRDS, "CRDS_PATH": str(visit.folder / "crds_cache")}.items():
            patch.setenv(name, value)
        patch.delenv("CRDS_CONTEXT", raising=False)
        yield


@pytest.fixture
def miri_references(miri_visit: Visit) -> Iterator[None]:
    """Take references from the visit's cache for one test."""
    with references_of(miri_visit):
        yield


@pytest.fixture
def nircam_references(nircam_visit: Visit) -> Iterator[None]:
    """Take references from the visit's cache for one test."""
    with references_of(nircam_visit):
        yield


@pytest.fixture
def niriss_references(niriss_visit: Visit) -> Iterator[None]:
    """Take references from the visit's cache for one test."""
    with references_of(niriss_visit):
        yield


@pytest.fixture
def fgs_references(fgs_visit: Visit) -> Iterator[None]:
    """Take references from the visit's cache for one test."""
    with references_of(fgs_visit):
        yield


@pytest.fixture(scope="session")
def miri_products(miri_visit: Visit, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The visit calibrated to a mosaic: the folder and the run's result."""
    return _calibrated(miri_visit, "miri", tmp_path_factory.mktemp("miri_products"))


@pytest.fixture(scope="session")
def nircam_products(
    nircam_visit: Visit, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    """The visit calibrated to a mosaic: the folder and the run's result."""
    return _calibrated(nircam_visit, "nircam", tmp_path_factory.mktemp("nircam_products"))


@pytest.fixture(scope="session")
def niriss_products(
    niriss_visit: Visit, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    """The visit calibrated to a mosaic: the folder and the run's result."""
    return _calibrated(niriss_visit, "niriss", tmp_path_factory.mktemp("niriss_products"))


@pytest.fixture(scope="session")
def fgs_products(fgs_visit: Visit, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The visit calibrated to a mosaic: the folder and the run's result."""
    return _calibrated(fgs_visit, "fgs", tmp_path_factory.mktemp("fgs_products"))


def _calibrated(visit: Visit, instrument: str, folder: Path) -> tuple[Path, Any]:
    from calcore.run import run

    with references_of(visit):
        return folder, run(visit.folder, instrument=instrument, output=folder)
