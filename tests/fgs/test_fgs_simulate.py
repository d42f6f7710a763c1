"""Simulated exposures of the guiders: no filter, two orientations of the same read-out."""

import numpy as np
import pytest
from astropy.io import fits

from calcore.simulate import Effects, SkyOptions, VisitOptions, simulate
from calcore_fgs import INSTRUMENT
from calcore_fgs.simulate import SIMULATION


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    options = VisitOptions(
        detectors=["GUIDER1", "GUIDER2"],
        subarray="SUB32LL",
        n_groups=6,
        n_dithers=1,
        effects=Effects.only("pink_noise"),
        sky=SkyOptions(stars=0, galaxies=0, grid=False, background=0),
        references=False,
        truth=False,
    )
    return simulate(SIMULATION, tmp_path_factory.mktemp("visit"), options)


def test_there_is_no_filter(visit):
    for path in visit.raw:
        header = fits.getheader(path)
        assert "FILTER" not in header
        assert "PUPIL" not in header
        assert header["EXP_TYPE"] == "FGS_IMAGE"


def test_the_guiders_read_along_y(visit):
    for path in visit.raw:
        header = fits.getheader(path)
        facts = INSTRUMENT.detectors[header["DETECTOR"]]
        assert (header["FASTAXIS"], header["SLOWAXIS"]) == (facts.fast_axis, facts.slow_axis)
        steps = np.diff(fits.getdata(path)[0].astype(float), axis=0)
        steps -= steps.mean(axis=(1, 2), keepdims=True)
        assert steps.mean(axis=1).std() > 2 * steps.mean(axis=2).std()


def test_sub_arrays_are_read_by_one_output(visit):
    assert {fits.getval(path, "NOUTPUTS") for path in visit.raw} == {1}
