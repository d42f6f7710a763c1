"""Segments of an exposure: each integration gets what is its own, wherever it is stored."""

from itertools import pairwise

import numpy as np
import pytest
from astropy.io import fits

import calcore
from calcore.model import Meta, Ramp
from calcore.model.reference import Dark
from calcore.model.reference import Reset as ResetReference
from calcore.model.reference import Rscd as RscdReference
from calcore.run import run
from calcore.steps.detector.dark_current import DarkCurrent
from calcore_miri.steps.reset import Reset
from calcore_miri.steps.rscd import Rscd

SHAPE = (5, 7, 16, 20)
NONE = Meta({})


def exposure(rng):
    """Five integrations; many pixels saturate."""
    end = rng.integers(1, 12, (SHAPE[0], 1, *SHAPE[2:]))
    meta = {
        "exposure.nints": SHAPE[0], "exposure.ngroups": SHAPE[1], "exposure.nframes": 1,
        "exposure.groupgap": 0, "exposure.readpatt": "FASTR1", "subarray.name": "SUB64",
        "exposure.integration_start": 1, "exposure.integration_end": SHAPE[0],
    }  # fmt: skip
    return Ramp(
        meta=Meta(meta),
        data=rng.normal(1000, 30, SHAPE).astype(np.float32),
        groupdq=np.where(np.arange(SHAPE[1])[:, None, None] >= end, 2, 0).astype(np.uint8),
        pixeldq=np.zeros(SHAPE[2:], np.uint32),
    )


def segment(ramp, first, last):
    """Return integrations `first` to `last`, from 1, as a file of its own has them."""
    numbers = {"exposure.integration_start": first, "exposure.integration_end": last}
    own = slice(first - 1, last)
    return ramp.replace(meta=ramp.meta.set(numbers), data=ramp.data[own], groupdq=ramp.groupdq[own])


def planes(rng, n_int, n_group):
    return {
        "data": rng.normal(50, 20, (n_int, n_group, *SHAPE[2:])).astype(np.float32),
        "dq": rng.integers(0, 8, SHAPE[2:], dtype=np.uint32),
    }


def skips(first, later):
    names = [("subarray", "U8"), ("readpatt", "U8"), ("group_skip1", "f4"), ("group_skip", "f4")]
    return RscdReference(meta=NONE, table=np.array([("SUB64", "FASTR1", first, later)], names))


CASES = {
    "dark": lambda rng: (DarkCurrent(), {"dark": Dark(meta=NONE, **planes(rng, 3, 8))}),
    "short dark": lambda rng: (DarkCurrent(), {"dark": Dark(meta=NONE, **planes(rng, 3, 4))}),
    "dark of one integration": lambda rng: (
        DarkCurrent(), {"dark": Dark(meta=NONE, **planes(rng, 1, 8))}
    ),
    "long dark": lambda rng: (DarkCurrent(), {"dark": Dark(meta=NONE, **planes(rng, 9, 7))}),
    "reset": lambda rng: (Reset(), {"reset": ResetReference(meta=NONE, **planes(rng, 3, 4))}),
    "long reset": lambda rng: (Reset(), {"reset": ResetReference(meta=NONE, **planes(rng, 9, 9))}),
    "rscd": lambda rng: (Rscd(), {"rscd": skips(3, 1)}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("cuts", [(1, 3, 6), (1, 2, 3, 4, 5, 6), (1, 5, 6)])
def test_segments_are_what_the_whole_exposure_is(name, cuts):
    rng = np.random.default_rng(3)
    whole = exposure(rng)
    step, given = CASES[name](rng)
    expected = step(whole, **given)
    assert not np.array_equal(expected.data, whole.data) or name == "rscd"
    assert not np.array_equal(expected.groupdq, whole.groupdq) or name != "rscd"
    for first, after in pairwise(cuts):
        result = step(segment(whole, first, after - 1), **given)
        own = slice(first - 1, after - 1)
        np.testing.assert_array_equal(result.data, expected.data[own])
        np.testing.assert_array_equal(result.groupdq, expected.groupdq[own])
        if name != "rscd":  # whose flags of pixels tell of any integration
            np.testing.assert_array_equal(result.pixeldq, expected.pixeldq)


def test_averaged_groups_of_a_later_segment_have_their_own_dark():
    rng = np.random.default_rng(4)
    whole = exposure(rng)
    averaged = whole.replace(meta=whole.meta.set({"exposure.nframes": 2, "exposure.groupgap": 1}))
    single = Meta({"exposure.nframes": 1, "exposure.groupgap": 0})
    dark = Dark(meta=single, **planes(rng, 3, 25))
    expected = DarkCurrent()(averaged, dark=dark)
    result = DarkCurrent()(segment(averaged, 2, 4), dark=dark)
    np.testing.assert_array_equal(result.data, expected.data[1:4])


@pytest.mark.usefixtures("miri_references")
def test_files_of_segments_become_the_darks_of_the_whole(miri_visit, tmp_path):
    """The same integrations in one file, or in two: the same ramps, and the same rows of tables."""
    raw = miri_visit.raw[0]
    root = raw.name.removesuffix("_uncal.fits")
    with fits.open(raw) as file:
        for name in ("SCI", "REFOUT"):
            file[name].data = np.repeat(file[name].data, 3, axis=0)
        times = fits.BinTableHDU(np.repeat(np.asarray(file["INT_TIMES"].data), 3), name="INT_TIMES")
        times.data["integration_number"] = [1, 2, 3]
        file["INT_TIMES"] = times
        file[0].header.update(EXP_TYPE="MIR_DARKIMG", NINTS=3)
        for name, first, last in (("", 1, 3), ("-seg001", 1, 1), ("-seg002", 2, 3)):
            part = fits.HDUList([hdu.copy() for hdu in file])
            part[0].header.update(INTSTART=first, INTEND=last)
            for extension in ("SCI", "REFOUT"):
                part[extension].data = part[extension].data[first - 1 : last]
            part["INT_TIMES"].data = part["INT_TIMES"].data[first - 1 : last]
            part.writeto(tmp_path / f"{root}{name}_uncal.fits")
    result = run(tmp_path, output=tmp_path / "out", profile="reference")
    assert [outcome.reason for outcome in result.products] == ["", "", ""]
    whole = calcore.open(tmp_path / "out" / f"{root}_dark.fits")
    for name, own in (("-seg001", slice(0, 1)), ("-seg002", slice(1, 3))):
        part = calcore.open(tmp_path / "out" / f"{root}{name}_dark.fits")
        np.testing.assert_array_equal(part.data, whole.data[own])
        np.testing.assert_array_equal(part.groupdq, whole.groupdq[own])
        assert part.int_times["integration_number"].tolist() == [1, 2, 3][own]
