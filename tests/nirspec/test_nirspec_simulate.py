"""Simulated NIRSpec exposures: gain and dark columns of sub-arrays, segments, times; IRS2."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from calcore.errors import BadParameter
from calcore.model import Meta
from calcore.simulate import Effects, VisitOptions, simulate
from calcore.simulate.noise import ReadoutNoise
from calcore.simulate.readout import clocking, read_order
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
def visit(module_folder):
    return simulate(SIMULATION, module_folder, SMALL)


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


def test_frames_of_irs2_take_the_time_of_the_handbook():
    detector = SIMULATION.detector("NRS1")
    table = SIMULATION.table["readout"]
    clocks = clocking(table, detector, detector.full, slow=False, interleaved=True)
    assert clocks.frame_time_s == pytest.approx(14.58889, abs=2e-5)
    assert clocks.row_clocks == 712
    slots = clocks.jumps.slots(512)
    assert len(slots) == 640
    assert slots[[7, 8, 11, 12, 639]].tolist() == [7, 9, 12, 14, 703]
    own = (np.arange(640) % 20 < 8) | (np.arange(640) % 20 >= 12)
    np.testing.assert_array_equal(slots[own], clocks.jumps.after(np.arange(512)))


def test_sub_arrays_are_not_read_by_irs2(tmp_path):
    with pytest.raises(BadParameter, match="SUB512 of NRS1 is not read with reference pixels betw"):
        simulate(SIMULATION, tmp_path, replace(SMALL, pattern="NRSIRS2RAPID"))


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_outputs_of_irs2_share_their_noise_in_time(detector):
    """Without other effects a frame is 1/f noise: neighbours in time agree, whatever they are."""
    tables = SIMULATION.detector(detector)
    clocks = clocking(SIMULATION.table["readout"], tables, tables.full, False, interleaved=True)
    electronics = replace(
        SIMULATION.physics(detector).electronics, pink_amplifier_dn=0.0, pink_common_dn=50.0
    )
    noise = ReadoutNoise(
        electronics=electronics, clocks=clocks, order=read_order(clocks, tables, tables.full),
        effects=Effects.only("pink_noise"), rng=np.random.default_rng(4),
    )  # fmt: skip
    frame, _ = noise.frame(0.0)
    wide = noise.interleaved()
    assert wide.shape == (2048, 5, 640)
    own = (np.arange(640) % 20 < 8) | (np.arange(640) % 20 >= 12)
    np.testing.assert_array_equal(wide[:, 1:, own].reshape(2048, 2048), frame)
    np.testing.assert_array_equal(wide[:, 0], wide[:, 2])
    np.testing.assert_array_equal(wide[:, 0], wide[:, 1, ::-1])


@pytest.mark.parametrize("pattern", ["NRSIRS2", "NRSIRS2RAPID"])
def test_irs2_is_calibrated(pattern):
    names = {"instrument.detector": "NRS1", "exposure.type": "NRS_IFU"}
    meta = Meta({**names, "exposure.readpatt": pattern})
    assert INSTRUMENT.pipeline_of(meta, "1") == "detector1"
