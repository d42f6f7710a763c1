"""Simulated NIRSpec exposures: gain and dark columns of sub-arrays, segments, times; IRS2 is refused."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from calcore.errors import BadParameter, ModeNotSupported, UnknownName
from calcore.model import Meta
from calcore.simulate import Effects, VisitOptions, simulate
from calcore.simulate.readout import clocking
from calcore_nirspec import INSTRUMENT
from calcore_nirspec.simulate import SIMULATION

FRAME_TIMES_S = {  # JDox, "NIRSpec Detector Subarrays"
    "FULL": 10.73677,
    "ALLSLITS": 5.49132,
    "SUBS200A1": 1.55724,
    "SUB2048": 0.90156,
    "SUB1024A": 0.45100,
    "SUB512": 0.22572,
    "SUB512S": 0.14364,
}
SMALL = VisitOptions(
    mode="bright_object",
    size="small",
    detectors=["NRS1"],
    n_groups=3,
    n_ints=5,
    segment_ints=2,
    effects=Effects.none(),
    references=False,
)


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    return simulate(SIMULATION, tmp_path_factory.mktemp("visit"), SMALL)


@pytest.mark.parametrize(("name", "seconds"), FRAME_TIMES_S.items())
def test_frame_times_are_those_of_the_handbook(name, seconds):
    detector = SIMULATION.detector("NRS2")
    clocks = clocking(SIMULATION.table["readout"], detector, detector.subarray(name), slow=False)
    assert clocks.frame_time_s == pytest.approx(seconds, abs=2e-5)
    assert clocks.outputs == (4 if name == "FULL" else 1)


def test_segments_hold_their_own_integrations(visit):
    assert [path.name for path in visit.raw] == [
        f"jw01234001001_02101_00001-seg{k:03d}_nrs1_uncal.fits" for k in (1, 2, 3)
    ]
    starts, data = [], []
    for number, path in enumerate(visit.raw, start=1):
        with fits.open(path) as hdus:
            header = hdus[0].header
            assert (header["EXSEGNUM"], header["EXSEGTOT"], header["NINTS"]) == (number, 3, 5)
            held = list(range(header["INTSTART"], header["INTEND"] + 1))
            assert hdus["INT_TIMES"].data["integration_number"].tolist() == held
            assert sorted(set(hdus["GROUP"].data["integration_number"])) == held
            assert header["TSOVISIT"] is True
            starts += hdus["INT_TIMES"].data["int_start_MJD_UTC"].tolist()
            data.append(hdus["SCI"].data)
    assert np.all(np.diff(starts) > 0)
    assert [len(part) for part in data] == [2, 2, 1]


def test_segments_are_the_exposure_cut_in_pieces(visit, tmp_path):
    whole = simulate(SIMULATION, tmp_path, replace(SMALL, segment_ints=None, truth=False))
    (path,) = whole.raw
    pieces = [fits.getdata(part) for part in visit.raw]
    np.testing.assert_array_equal(np.concatenate(pieces), fits.getdata(path))
    assert "EXSEGNUM" not in fits.getheader(path)


def test_truth_is_in_the_numbers_of_the_usual_gain(visit):
    """A count rate has them after it was multiplied by GAINFACT."""
    root = visit.raw[0].name.removesuffix("_uncal.fits")
    with fits.open(visit.truth / f"{root}_truth.fits") as hdus:
        electrons, numbers = hdus["RATE_E"].data, hdus["RATE_DN"].data
    usual = SIMULATION.physics("NRS1").pixels.gain
    np.testing.assert_allclose(numbers * usual, electrons, rtol=1e-6)
    first, last = (fits.getdata(visit.raw[0])[0, k].astype(float) for k in (0, 2))
    seconds = 2 * fits.getval(visit.raw[0], "TGROUP")
    np.testing.assert_allclose((last - first) / seconds * 1.43, numbers, atol=2 * 1.43 / seconds)


def test_no_light_falls_on_the_outermost_columns_of_small_sub_arrays(visit):
    root = visit.raw[0].name.removesuffix("_uncal.fits")
    rate = fits.getdata(visit.truth / f"{root}_truth.fits", "RATE_E")
    assert rate.shape == (32, 512)
    dark = INSTRUMENT.detectors["NRS1"].dark_columns["SUB512"]
    assert not rate[:, :dark].any()
    assert not rate[:, -dark:].any()
    assert np.all(rate[:, dark:-dark] > 0)


def test_what_disperses_light_gets_a_smooth_light_of_many_fluxes(visit):
    root = visit.raw[0].name.removesuffix("_uncal.fits")
    rate = fits.getdata(visit.truth / f"{root}_truth.fits", "RATE_E")[:, 4:-4]
    assert rate.max() > 10 * rate.min()
    assert np.abs(np.diff(rate, axis=1)).max() < 0.1 * rate.max()
    assert visit.associations == ()


def test_gratings_are_in_the_header(visit):
    header = fits.getheader(visit.raw[0])
    assert (header["GRATING"], header["FILTER"]) == ("G395H", "F290LP")
    assert header["EXP_TYPE"] == "NRS_BRIGHTOBJ"
    assert (header["FASTAXIS"], header["SLOWAXIS"]) == (2, 1)


def test_a_segment_without_an_integration_is_refused(tmp_path):
    with pytest.raises(BadParameter, match="at least one integration, not -1"):
        simulate(SIMULATION, tmp_path, replace(SMALL, segment_ints=-1))


def test_irs2_is_not_simulated(tmp_path):
    with pytest.raises(UnknownName, match="no NIRSPEC read-out pattern 'NRSIRS2RAPID'"):
        simulate(SIMULATION, tmp_path, replace(SMALL, pattern="NRSIRS2RAPID"))


@pytest.mark.parametrize("pattern", ["NRSIRS2", "NRSIRS2RAPID"])
def test_irs2_is_refused_in_one_sentence(pattern):
    names = {"instrument.detector": "NRS1", "exposure.type": "NRS_IFU"}
    meta = Meta({**names, "exposure.readpatt": pattern})
    with pytest.raises(ModeNotSupported, match=rf"does not calibrate the IRS2 read-out.*{pattern}"):
        INSTRUMENT.pipeline_of(meta, "1")
    assert INSTRUMENT.pipeline_of(Meta({**names, "exposure.readpatt": "NRS"}), "1") == "detector1"
