"""A small simulated NIRCam visit: two channels, averaged groups, references chosen by output."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from calcore.errors import BadParameter
from calcore.io.keywords import name_of
from calcore.simulate import Effects, SkyOptions, VisitOptions, simulate
from calcore.simulate.striped import StripedReadout
from calcore_nircam.simulate import SIMULATION

FRAME_TIMES_S = {  # JDox, "NIRCam Detector Subarrays"
    "FULL": 10.73676,
    "SUB640": 4.18584,
    "SUB320": 1.06904,
    "SUB160": 0.27864,
    "SUB400P": 1.65624,
    "SUB64P": 0.05016,
}


SMALL = VisitOptions(
    detectors=["NRCB1"],
    filters=["F150W"],
    subarray="SUB64P",
    pattern="SHALLOW4",
    n_groups=3,
    n_dithers=1,
    sky=SkyOptions(stars=2000, galaxies=0),
)


@pytest.fixture(scope="module")
def visit(module_folder):
    return simulate(SIMULATION, module_folder, SMALL)


def test_each_channel_has_its_filter_and_its_association(tmp_path):
    options = replace(
        SMALL,
        detectors=["NRCB1", "NRCBLONG"],
        references=False,
        truth=False,
        effects=Effects.none(),
    )
    made = simulate(SIMULATION, tmp_path, options)
    filters = {fits.getval(p, "CHANNEL"): fits.getval(p, "FILTER") for p in made.raw}
    assert filters == {"SHORT": "F150W", "LONG": "F356W"}
    names = [json.loads(path.read_text())["products"][0]["name"] for path in made.associations]
    assert names == [
        "jw01234-o001_t001_nircam_clear-f150w-sub64p",
        "jw01234-o001_t001_nircam_clear-f356w-sub64p",
    ]


def test_averaged_groups_come_with_a_zero_frame(visit):
    with fits.open(visit.raw[0]) as hdus:
        header = hdus[0].header
        assert header["NFRAMES"] == header["FRMDIVSR"] == 4
        assert header["GROUPGAP"] == 1
        assert header["ZEROFRAM"] is True
        assert hdus["ZEROFRAME"].data.shape == (1, 64, 64)
        assert "REFOUT" not in hdus
        assert header["TGROUP"] == pytest.approx(5 * header["TFRAME"])
        assert header["EFFINTTM"] == pytest.approx(14 * header["TFRAME"])
        assert header["NOUTPUTS"] == 1
        assert header["PUPIL"] == "CLEAR"
        assert header["MODULE"] == "B"


@pytest.mark.parametrize(("name", "seconds"), FRAME_TIMES_S.items())
def test_frame_times_are_those_of_the_handbook(name, seconds):
    from calcore.simulate.readout import clocking

    detector = SIMULATION.detector("NRCB1")
    clocks = clocking(SIMULATION.table["readout"], detector, detector.subarray(name), slow=False)
    assert clocks.frame_time_s == pytest.approx(seconds, abs=1e-5)


def test_references_are_chosen_by_detector_and_sub_array(visit):
    code = (
        "import json, sys, crds\n"
        "parameters, types = json.load(sys.stdin)\n"
        "json.dump(crds.getreferences(parameters, reftypes=types, observatory='jwst'), sys.stdout)"
    )
    types = [
        name for name, row in SIMULATION.table["references"].items() if row["kind"] != "parameters"
    ]
    (path,) = visit.raw
    parameters = {}
    for hdu in ("PRIMARY", "SCI"):
        for card in fits.getheader(path, hdu).cards:
            if name_of(card.keyword, hdu):
                parameters[f"META.{name_of(card.keyword, hdu)}".upper()] = str(card.value)
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps([parameters, types]),
        env={**os.environ, **visit.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert set(found) == set(types)
    for name in types:
        assert Path(found[name]).exists(), (name, found[name])
    with fits.open(found["superbias"]) as hdus:
        assert hdus["SCI"].data.shape == (64, 64)
        assert hdus[0].header["SUBSTRT1"] == fits.getval(path, "SUBSTRT1")
    # A full-frame exposure has four outputs; this cache has no dark for it.
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps([{**parameters, "META.EXPOSURE.NOUTPUTS": "4"}, ["dark"]]),
        env={**os.environ, **visit.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "META.EXPOSURE.NOUTPUTS" in done.stderr


def test_bias_and_superbias_agree_within_the_noise_of_their_average(visit):
    files = visit.cache / "references" / "jwst" / "nircam"
    with fits.open(files / "jwst_nircam_superbias_0001.fits") as reference:
        header = reference[0].header
        x, y = header["SUBSTRT1"] - 1, header["SUBSTRT2"] - 1
        truth = fits.getdata(visit.truth / "nrcb1_detector.fits", "BIAS")[y : y + 64, x : x + 64]
        pull = (reference["SCI"].data - truth) / reference["ERR"].data
    assert pull.mean() == pytest.approx(0, abs=0.06)
    assert pull.std() == pytest.approx(1, abs=0.05)
    assert np.abs(pull).max() < 6


def test_apertures_have_rows_for_all_filters_and_hold_what_they_say(visit):
    files = visit.cache / "references" / "jwst" / "nircam"
    table = fits.getdata(files / "jwst_nircam_apcorr_0001.fits", "APCORR")
    names = {row["filter"].strip() for row in table}
    assert names == set(SIMULATION.filters)
    assert np.all(table["apcorr"] * table["eefraction"] > 0.99)
    assert np.all(table["apcorr"] * table["eefraction"] < 1.1)


@pytest.mark.parametrize(("detector", "start"), [("NRCA1", 1), ("NRCA2", 1967)])
def test_stripes_see_the_light_of_their_rows(tmp_path, detector, start):
    """A row of reference pixels before each stripe of 40 rows, in the order of reading."""
    made = simulate(
        SIMULATION, tmp_path,
        VisitOptions(
            mode="stripes", size="small", detectors=(detector,), n_groups=3, n_ints=1, n_dithers=1,
            effects=Effects.none(), references=False,
        ),
    )  # fmt: skip
    with fits.open(made.raw[0]) as raw:
        header, counts = raw[0].header, raw["SCI"].data.astype(float)
        assert counts.shape == (1, 3, 82, 2048)
        assert (header["SUBSTRT2"], header["SUBSIZE2"]) == (start, 82)
        told = ("MSTR_RD1", "MSTR_SK1", "MSTR_RD2", "MSTR_SK2", "MSTR_RPT", "MSTR_ILV", "SSTR_NST")
        assert [header[key] for key in told] == [1, 1499, 40, 85, 1, 1, 0]
        seconds = header["TGROUP"]
    (path,) = (tmp_path / "truth").glob("*_truth.fits")
    with fits.open(path) as truth:
        rate = truth["RATE_DN"].data
    gained = counts[0, 2] - counts[0, 0]
    dark = [0, 41] if start == 1 else [40, 81]
    np.testing.assert_array_equal(gained[dark], 0)
    np.testing.assert_allclose(gained, rate * 2 * seconds, atol=1.1)
    # The stripes lie 125 rows apart: the smooth light differs more between them than within.
    middle = rate[:, 1000]
    assert abs(middle[20] - middle[61]) > 2 * abs(middle[10] - middle[30])


def test_a_stripe_that_is_read_twice_is_not_simulated(tmp_path):
    table = dict(SIMULATION.table["readout"])
    row = table["stripes"]["SUB82STRIPE2_DHS"]
    table["stripes"] = {"SUB82STRIPE2_DHS": row | {"interleave_reads1": 0}}
    detector = SIMULATION.detector("NRCA1")
    with pytest.raises(
        BadParameter, match="SUB82STRIPE2_DHS of NRCA1 reads a stripe several times"
    ):
        StripedReadout.of(table, detector, detector.subarray("SUB82STRIPE2_DHS"))
