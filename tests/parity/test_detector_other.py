"""Stage 1 of the instruments and modes that have no image yet: files of both pipelines, plane by plane.

Read-outs along x and along y in both directions, by four outputs and by one, whole frames and
sub-arrays with and without reference pixels, averaged groups, segments, and another gain.
"""

from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from calcore.flags import DQ
from calcore.model import ExposureType, Facts
from calcore.steps.detector.refpix import RefPix
from calcore_nirspec import INSTRUMENT

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "nirspec, dark columns, segments": ("nirspec", {
        "mode": "bright_object", "detectors": ("NRS1",), "subarray": "SUB512", "n_groups": 4,
        "n_ints": 3, "segment_ints": 2,
    }),
    "nirspec, averaged groups": ("nirspec", {
        "mode": "fixed_slit", "detectors": ("NRS2",), "subarray": "SUBS200A1", "n_groups": 4,
    }),
    "nirspec, full frame": ("nirspec", {
        "mode": "ifu", "detectors": ("NRS1",), "pattern": "NRSRAPID", "n_groups": 3,
    }),
    "niriss, segments": ("niriss", {
        "mode": "soss", "subarray": "SUBSTRIP96", "n_groups": 4, "n_ints": 3, "segment_ints": 2,
    }),
    "niriss, reference rows": ("niriss", {"mode": "ami", "n_groups": 5, "n_ints": 2}),
    "niriss, four outputs": ("niriss", {"mode": "wfss", "subarray": "WFSS64R", "n_groups": 3}),
    "fgs": ("fgs", {
        "detectors": ("GUIDER1", "GUIDER2"), "subarray": "SUB128LL", "n_groups": 5,
    }),
    "miri, spectrometer": ("miri", {
        "mode": "mrs", "detectors": ("MIRIFULONG",), "n_background": 0, "n_groups": 6,
    }),
    "miri, slitless": ("miri", {"mode": "lrs-slitless", "n_groups": 6, "n_ints": 2}),
    "nircam, four outputs": ("nircam", {
        "mode": "grism_time_series", "subarray": "SUBGRISM64", "n_groups": 3, "n_ints": 2,
        "segment_ints": 1,
    }),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(detector1_of_both):
    """What both pipelines make of the cases."""
    return detector1_of_both("other", CASES)


@pytest.mark.parametrize("name", CASES)
def test_ramps(answers, compare, figures, name):
    for root in answers.files(name):
        ours, theirs = answers.pair(root, "ramp")
        with ours, theirs:
            before = fits.getdata(answers.raw / f"{root}_uncal.fits").astype(np.float32)
            mine, other = ours["SCI"].data, theirs["SCI"].data
            # Units are those of the raw numbers, from which the corrections were subtracted.
            assert compare.ulp(mine.astype("f4"), other.astype("f4"), before) <= 2
            np.testing.assert_array_equal(ours["PIXELDQ"].data, theirs["PIXELDQ"].data)
            figures.subject = "Detector1Pipeline"
            for plane in ("PIXELDQ", "GROUPDQ"):
                figures.saw_flags(plane, ours[plane].data, theirs[plane].data)
            differ = ours["GROUPDQ"].data != theirs["GROUPDQ"].data
            assert differ.sum() <= 1e-6 * differ.size, np.argwhere(differ)


# Keywords that differ, and why.
KEYWORDS = {
    "DATE": "when the file was made",
    "CAL_VER": "which program made it",
    "PRIMECRS": "not written where too few groups are usable to look for jumps",
    "EXTNCRS": "likewise",
}


@pytest.mark.parametrize("name", CASES)
def test_count_rates(answers, compare, figures, name):
    for root in answers.files(name):
        for suffix in ("rate", "rateints"):
            ours, theirs = answers.pair(root, suffix)
            with ours, theirs:
                assert {hdu.name for hdu in ours} == {hdu.name for hdu in theirs}
                np.testing.assert_array_equal(ours["DQ"].data, theirs["DQ"].data)
                error = theirs["ERR"].data
                figures.subject = "Detector1Pipeline"
                compare.images(*({hdu.name: hdu.data for hdu in hdus} for hdus in (ours, theirs)))
                for plane in ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE"):
                    mine, other = (hdus[plane].data.astype(float) for hdus in (ours, theirs))
                    np.testing.assert_array_equal(np.isnan(mine), np.isnan(other), plane)
                    # The photon noise of rates that cancel to nearly nothing is as uncertain as they.
                    spare = 1e-6 * error**2 if plane.startswith("VAR") else 0.0
                    limit = 1e-4 * error if plane == "SCI" else 1e-5 * np.abs(other) + spare
                    good = np.isfinite(other)
                    assert np.all((np.abs(mine - other) <= limit)[good]), (root, suffix, plane)
                told = {
                    f"{hdu.name} {card.keyword}": (
                        ours[hdu.name].header.get(card.keyword),
                        card.value,
                    )
                    for hdu in theirs
                    if hdu.name in {"PRIMARY", "SCI"}
                    for card in hdu.header.cards
                    if card.keyword not in {"", "COMMENT", "HISTORY", *KEYWORDS}
                }
                wrong = {
                    place: values
                    for place, values in told.items()
                    if values[0] != values[1]
                    and not (
                        isinstance(values[0], float) and np.isclose(*values, rtol=1e-9, atol=0)
                    )
                }
                assert wrong == {}, root


@pytest.mark.parametrize("name", [name for name in CASES if "segment_ints" in CASES[name][1]])
def test_segments_keep_their_integrations(answers, name):
    known = []
    for root in answers.files(name):
        raw = fits.open(answers.raw / f"{root}_uncal.fits")
        ours, theirs = answers.pair(root, "rateints")
        with raw, ours, theirs:
            for hdus in (ours, theirs):
                np.testing.assert_array_equal(hdus["INT_TIMES"].data, raw["INT_TIMES"].data)
            first, last = (raw[0].header[key] for key in ("INTSTART", "INTEND"))
            numbers = ours["INT_TIMES"].data["integration_number"].tolist()
            assert numbers == list(range(first, last + 1))
            assert ours["SCI"].data.shape[0] == len(numbers)
            known += numbers
    assert known == list(range(1, CASES[name][1]["n_ints"] + 1))


def test_the_gain_of_sub_arrays_is_scaled_to_the_usual_one(answers):
    (root, _) = answers.files("nirspec, dark columns, segments")
    ours, theirs = answers.pair(root, "rate")
    with ours, theirs:
        for hdus in (ours, theirs):
            assert hdus[0].header["S_GANSCL"] == "COMPLETE"
            assert hdus[0].header["GAINFACT"] == 1.43


def test_an_image_slicer_has_a_model_of_its_own(answers):
    for name in ("nirspec, full frame", "miri, spectrometer"):
        (root,) = answers.files(name)
        ours, theirs = answers.pair(root, "rate")
        with ours, theirs:
            assert ours[0].header["DATAMODL"] == theirs[0].header["DATAMODL"] == "IFUImageModel"


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_dark_columns_serve_as_reference_pixels_unless_bad(
    reference_pipeline, compare, make_ramp, detector
):
    rng = np.random.default_rng(3)
    for name, shape in (("SUB512S", (2, 2, 16, 512)), ("SUB32", (2, 2, 32, 32))):
        flags = np.where(rng.random(shape[2:]) < 0.1, DQ.DO_NOT_USE, 0).astype(np.uint32)
        ramp = make_ramp(
            detector, shape=shape, pixeldq=flags, subarray=name, start=(513, 977),
            exposure__noutputs=1,
        )  # fmt: skip
        theirs = reference_pipeline.step("RefPixStep", ramp, {"refpix": "N/A", "sirskernel": "N/A"})
        facts = Facts(INSTRUMENT.detectors[detector], ExposureType(name="NRS_BRIGHTOBJ"))
        ours = RefPix()(ramp.replace(meta=ramp.meta.with_facts(facts)))
        assert theirs.meta["cal_step.refpix"] == "COMPLETE"
        assert not np.array_equal(ours.data, ramp.data)
        compare.ramps(ours, theirs, ulp=2, scale=np.abs(ramp.data))
