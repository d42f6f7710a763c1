"""Persistence against the truth: which rates of an exposure the one before has spoiled, and how much."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from scipy.ndimage import binary_dilation

from calcore.run import run
from calcore.simulate import VisitOptions, simulate
from calcore.simulate.instrument_tables import SimulatedInstrument
from calcore.simulate.physics import Effects, Persistence
from calcore.simulate.sky_options import SkyOptions
from calcore_nircam.simulate import SIMULATION


class Glowing(SimulatedInstrument):
    """An instrument whose traps take so much that short exposures show it."""

    def physics(self, detector):
        strong = Persistence(times_s=(30.0, 300.0), fractions=(0.01, 0.01))
        return replace(super().physics(detector), persistence=strong)


STARS = SkyOptions(
    stars=2000.0, galaxies=0.0, brightest=30.0, faintest=0.01, slope=0.02, grid=False
)
LISTED = {
    "CRDS_SERVER_URL": "https://crds-serverless-mode.stsci.edu",
    "CRDS_OBSERVATORY": "jwst",
    "CRDS_READONLY_CACHE": "1",
}


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """What is true and what is found of the second of two exposures without noise."""
    folder = tmp_path_factory.mktemp("visit")
    options = VisitOptions(
        subarray="SUB160", pattern="DEEP8", n_groups=5, n_dithers=2, sky=STARS, seed=4,
        effects=Effects.only("persistence", "saturation"),
    )  # fmt: skip
    simulate(Glowing(SIMULATION.package), folder, options)
    settings = {
        "persistence.skip": False, "persistence.persistence_time": 1000,
        "jump.skip": True, "ramp_fit.algorithm": "OLS_C",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**LISTED, "CRDS_PATH": str(folder / "crds_cache")}.items():
            patch.setenv(name, value)
        raw = sorted(folder.glob("*_uncal.fits"))
        result = run(raw, stage="1", output=folder / "out", settings=settings)
    assert result.exit_status == 0, [made.reason for made in result.products]
    with fits.open(max((folder / "out").glob("*_rate.fits"))) as file:
        found = {name: np.array(file[name].data) for name in ("SCI", "DQ")}
    truth = sorted((folder / "truth").glob("*_truth.fits"))
    with fits.open(truth[0]) as file:
        before = file["FIRSTFULL"].data.min(axis=0) < options.n_groups
    with fits.open(truth[1]) as file:
        now = file["FIRSTFULL"].data.min(axis=0) < options.n_groups
        true, given = np.array(file["RATE_DN"].data), file["GIVEN"].data.mean(axis=0)
    with fits.open(next((folder / "truth").glob("*_detector.fits"))) as file:
        given /= np.median(file["GAIN"].data)
    return {"excess": found["SCI"] - true, "given": given, "before": before, "now": now,
            "flagged": found["DQ"] & 32 != 0, "dark": true < 0.02 * true.max()}  # fmt: skip


def test_pixels_that_were_full_in_the_exposure_before_are_flagged(second):
    full = second["before"] | second["now"]
    assert second["before"].sum() > 50
    assert second["flagged"][full].all()
    beside = binary_dilation(full, np.ones((5, 5)))
    assert not second["flagged"][~beside].any()


def test_flagged_pixels_glow_by_what_traps_have_given_and_others_do_not(second):
    seen = second["dark"] & ~second["now"] & np.isfinite(second["excess"])
    glowing, others = seen & second["before"], seen & ~second["flagged"]
    assert glowing.sum() > 100
    excess, given = second["excess"], second["given"]
    assert np.median(given[glowing]) > 0.05
    assert np.median(given[others]) < 0
    for pixels in (glowing, others):
        assert np.median(excess[pixels]) == pytest.approx(np.median(given[pixels]), abs=0.01)
