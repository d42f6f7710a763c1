"""Simulated visits that tests of several folders calibrate; made once for each run of the suite."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
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


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for what fixtures of a module make: it goes when the module is done.

    References of full frames are hundreds of megabytes, and those of a whole suite have filled disks.
    """
    folder = tmp_path_factory.mktemp("module")
    yield folder
    rmtree(folder, ignore_errors=True)


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


@contextmanager
def references_of(visit: Visit) -> Iterator[None]:
    """Take references from a visit's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**CRDS, "CRDS_PATH": str(visit.folder / "crds_cache")}.items():
            patch.setenv(name, value)
        patch.delenv("CRDS_CONTEXT", raising=False)
        yield


@pytest.fixture(scope="session")
def within_references() -> Any:
    """Return `references_of`, for tests of several visits."""
    return references_of


def _calibrated(visit: Visit, instrument: str, folder: Path) -> tuple[Path, Any]:
    from calcore.run import run

    with references_of(visit):
        return folder, run(visit.folder, instrument=instrument, output=folder)


def fixtures_of(instrument: str, subarray: str, n_groups: int) -> tuple[Any, Any, Any]:
    """Return three fixtures of an instrument, two of which are made once for all tests.

    The visit, of two dithered exposures of a small sub-array; one that takes references from its
    cache for a test; and what is made of the visit, to a mosaic: the folder and the run's result.
    """

    @pytest.fixture(scope="session", name=f"{instrument}_visit")
    def visit(tmp_path_factory: pytest.TempPathFactory) -> Visit:
        options = {"subarray": subarray, "n_groups": n_groups, "n_dithers": 2, "seed": 3}
        folder = tmp_path_factory.mktemp("visit") / instrument
        return simulated(folder, instrument, **options, truth=False)

    @pytest.fixture(name=f"{instrument}_references")
    def references(request: pytest.FixtureRequest) -> Iterator[None]:
        with references_of(request.getfixturevalue(f"{instrument}_visit")):
            yield

    @pytest.fixture(scope="session", name=f"{instrument}_products")
    def products(
        request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[Path, Any]:
        own: Visit = request.getfixturevalue(f"{instrument}_visit")
        return _calibrated(own, instrument, tmp_path_factory.mktemp(f"{instrument}_products"))

    return visit, references, products


def spectra_of(mode: str, **options: object) -> tuple[Any, Any]:
    """Return two fixtures of one of MIRI's spectrographs, made once for all tests.

    A small visit; and what is made of it: what was planned, the folder, and the run's result.
    """
    name = mode.replace("-", "_")

    @pytest.fixture(scope="session", name=f"{name}_visit")
    def visit(tmp_path_factory: pytest.TempPathFactory) -> Visit:
        folder = tmp_path_factory.mktemp("visit") / mode
        return simulated(folder, "miri", mode=mode, size="small", seed=3, **options)

    @pytest.fixture(scope="session", name=f"{name}_products")
    def products(
        request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> tuple[Any, Path, Any]:
        from calcore.run import plan

        own: Visit = request.getfixturevalue(f"{name}_visit")
        folder = tmp_path_factory.mktemp(f"{name}_products")
        with references_of(own):
            planned = plan(own.folder, instrument="miri", output=folder)
        return planned, *_calibrated(own, "miri", folder)

    return visit, products


mrs_visit, mrs_products = spectra_of("mrs", n_groups=4)
lrs_fixedslit_visit, lrs_fixedslit_products = spectra_of("lrs-fixedslit", n_groups=4, n_dithers=2)
lrs_slitless_visit, lrs_slitless_products = spectra_of("lrs-slitless")
miri_visit, miri_references, miri_products = fixtures_of("miri", "SUB64", 8)
nircam_visit, nircam_references, nircam_products = fixtures_of("nircam", "SUB160", 6)
niriss_visit, niriss_references, niriss_products = fixtures_of("niriss", "SUB128", 5)
fgs_visit, fgs_references, fgs_products = fixtures_of("fgs", "SUB128CNTR", 5)
