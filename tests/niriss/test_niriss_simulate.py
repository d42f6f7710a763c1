"""Simulated NIRISS exposures: frame times, wheels, zero frames, 1/f noise along y."""

import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from calcore.simulate import Effects, SkyOptions, VisitOptions, simulate
from calcore.simulate.readout import clocking
from calcore_niriss.simulate import SIMULATION

FRAME_TIMES_S = {  # JDox, "NIRISS Detector Subarrays"
    "FULL": (4, 10.73676),
    "SUBSTRIP256": (1, 5.494),
    "SUBSTRIP96": (1, 2.214),
    "SUB80": (1, 0.07544),
    "SUB64": (1, 0.05016),
    "SUB128": (1, 0.18200),
    "SUB256": (1, 0.69144),
    "SUBTAAMI": (1, 0.05016),
}
SMALL = VisitOptions(
    size="small",
    subarray="SUB128",
    n_groups=3,
    n_dithers=1,
    effects=Effects.none(),
    sky=SkyOptions(stars=0, galaxies=0, grid=False, background=0),
    references=False,
    truth=False,
)


@pytest.mark.parametrize(
    ("name", "outputs", "seconds"), [(k, *v) for k, v in FRAME_TIMES_S.items()]
)
def test_frame_times_are_those_of_the_handbook(name, outputs, seconds):
    detector = SIMULATION.detector("NIS")
    clocks = clocking(SIMULATION.table["readout"], detector, detector.subarray(name), slow=False)
    assert clocks.frame_time_s == pytest.approx(seconds, abs=1e-5)
    assert clocks.outputs == outputs


def test_sub_arrays_over_all_rows_are_read_by_four_outputs():
    """What is read fast is y."""
    detector = SIMULATION.detector("NIS")
    rows = SIMULATION.table["readout"]["subarray"]
    for name, part in detector.subarrays.items():
        if name in rows:
            assert (rows[name]["outputs"] == 4) == (part.ysize == 2048), name


@pytest.mark.parametrize(
    ("filters", "found", "elements"),
    [
        (["F150W"], ("CLEAR", "F150W"), "clear-f150w"),
        (["F380M"], ("F380M", "CLEARP"), "clearp-f380m"),
    ],
)
def test_both_wheels_are_in_the_header_and_the_name(tmp_path, filters, found, elements):
    made = simulate(SIMULATION, tmp_path, replace(SMALL, filters=filters))
    header = fits.getheader(made.raw[0])
    assert (header["FILTER"], header["PUPIL"]) == found
    (product,) = json.loads(made.associations[0].read_text())["products"]
    assert product["name"] == f"jw01234-o001_t001_niriss_{elements}-sub128"


def test_averaged_groups_come_with_a_zero_frame(tmp_path):
    made = simulate(SIMULATION, tmp_path, replace(SMALL, pattern="NIS"))
    with fits.open(made.raw[0]) as hdus:
        assert hdus[0].header["NFRAMES"] == 4
        assert hdus["ZEROFRAME"].data.shape == (1, 128, 128)


def test_slow_noise_of_the_read_out_lies_in_columns(tmp_path):
    """Rows of the read-out are columns of images: their means differ more than those of rows."""
    effects = Effects.only("pink_noise")
    made = simulate(SIMULATION, tmp_path, replace(SMALL, effects=effects, n_groups=8))
    steps = np.diff(fits.getdata(made.raw[0])[0].astype(float), axis=0)
    steps -= steps.mean(axis=(1, 2), keepdims=True)
    assert steps.mean(axis=1).std() > 3 * steps.mean(axis=2).std()


def test_positions_of_a_superstripe_see_the_light_where_they_lie(tmp_path):
    """What the stripes gain from group to group is the true rate of their columns."""
    made = simulate(
        SIMULATION, tmp_path,
        VisitOptions(
            mode="soss_stripes", size="small", n_groups=3, n_dithers=1, effects=Effects.none(),
            references=False,
        ),
    )  # fmt: skip
    with fits.open(made.raw[0]) as raw:
        header, counts = raw[0].header, raw["SCI"].data.astype(float)
        assert counts.shape == (3, 3, 256, 684)
        assert (header["NINTS"], header["SUBSIZE1"]) == (3, 684)
        told = ("MSTR_RD1", "MSTR_SK1", "MSTR_RD2", "SSTR_STP", "SSTR_NST")
        assert [header[key] for key in told] == [4, 0, 680, 680, 3]
        assert len(raw["INT_TIMES"].data) == 3
        seconds = header["TGROUP"]
    (path,) = (tmp_path / "truth").glob("*_truth.fits")
    with fits.open(path) as truth:
        rate = truth["RATE_DN"].data
    assert rate.shape == (256, 2048)
    for position in range(3):
        gained = counts[position, 2] - counts[position, 0]
        np.testing.assert_array_equal(gained[:, -4:], 0)  # reference columns, read first
        first = 2048 - 4 - 680 * (position + 1)
        expected = rate[:, first : first + 680] * 2 * seconds
        np.testing.assert_allclose(gained[:, :-4], expected, atol=1.1)
