"""Sub-arrays that are read in stripes: which lines they are, step by step, and file for file.

Files of both pipelines are compared plane by plane, from raw ramps to count rates; tables of times
row for row.
"""

from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import calcore_nircam
import calcore_niriss
from calcore.flags import DQ
from calcore.model import Detector, ExposureType, Facts, Meta, Ramp
from calcore.model.reference import Ipc, Mask
from calcore.model.reference import Saturation as SaturationReference
from calcore.model.stitched import lines_of, one_by_one
from calcore.model.stripes import Stripes
from calcore.model.superstripes import taken_together
from calcore.steps.detector.collate_stripes import CollateStripes
from calcore.steps.detector.ipc import Ipc as IpcStep
from calcore.steps.detector.refpix import RefPix
from calcore.steps.detector.saturation import Saturation

NAMES = (
    "multistripe_reads1", "multistripe_skips1", "multistripe_reads2", "multistripe_skips2",
    "repeat_stripe", "interleave_reads1", "superstripe_step", "num_superstripe",
)  # fmt: skip
# Detector, sub-array, first pixel (SUBSTRT2, SUBSTRT1), rows and columns, and the keywords above.
LAYOUTS: dict[str, tuple[str, str, tuple[int, int], tuple[int, int], tuple[int, ...]]] = {
    "interleaved": ("NRCA1", "SUB82STRIPE2_DHS", (1, 1), (82, 64), (1, 1499, 40, 85, 1, 1, 0, 0)),
    "backwards": ("NRCA2", "SUB82STRIPE2_DHS", (1967, 1), (82, 64), (1, 1499, 40, 85, 1, 1, 0, 0)),
    "repeated": ("NRCALONG", "SUB82STRIPE2_DHS", (1, 1), (82, 64), (1, 971, 40, 0, 1, 0, 0, 0)),
    "once": ("NRCA1", "SUB82STRIPE2_DHS", (1, 1), (84, 64), (4, 1496, 40, 85, 0, 0, 0, 0)),
    "soss": ("NIS", "SUB680STRIPE_SOSS", (1793, 1), (64, 684), (4, 0, 680, 0, 1, 1, 680, 3)),
    "moving": ("NRCB2", "SUB64P_SUPSTP032", (1, 1), (36, 64), (4, 0, 32, 0, 1, 1, 32, 2)),
    "moving, backwards": ("NRCB1", "SUB64P_SUPSTP032", (1, 1), (36, 64), (4, 0, 32, 0, 1, 1, 32, 2)),
    "moving as a whole": ("NRCB2", "FULL_SUPSTP008", (5, 1), (8, 64), (0, 0, 0, 0, 0, 0, 8, 3)),
}  # fmt: skip


def exposure(layout: str, n_group: int = 2, n_int: int = 1, seed: int = 4) -> Ramp:
    """Return a raw ramp of a layout, one integration more for each position."""
    name, subarray, start, (rows, columns), told = LAYOUTS[layout]
    plugin = calcore_niriss if name == "NIS" else calcore_nircam
    detector: Detector = plugin.INSTRUMENT.detectors[name]
    count = n_int * max(1, told[-1])
    meta = Meta(
        {
            "instrument.name": plugin.INSTRUMENT.name, "instrument.detector": name,
            "exposure.type": "NIS_SOSS" if name == "NIS" else "NRC_TSGRISM",
            "exposure.nints": count, "exposure.ngroups": n_group, "exposure.nframes": 1,
            "exposure.groupgap": 0, "exposure.noutputs": 1, "exposure.integration_start": 1,
            "exposure.integration_end": count, "exposure.zero_frame": True,
            "exposure.frame_time": 1.0, "exposure.group_time": 1.0,
            "subarray.name": subarray, "subarray.xstart": start[1], "subarray.ystart": start[0],
            "subarray.xsize": columns, "subarray.ysize": rows,
            "subarray.fastaxis": detector.fast_axis, "subarray.slowaxis": detector.slow_axis,
            **{f"subarray.{key}": value for key, value in zip(NAMES, told, strict=True)},
        },
        Facts(detector, ExposureType(name="ANY")),
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    shape = count, n_group, rows, columns
    data = rng.normal(1000, 30, shape).astype(np.float32)
    return Ramp(
        meta=meta, data=data, groupdq=np.zeros(shape, np.uint8),
        pixeldq=np.zeros(shape[2:], np.uint32),
        zeroframe=rng.normal(500, 30, (count, rows, columns)).astype(np.float32),
    )  # fmt: skip


FULL = Meta(
    {"subarray.name": "FULL", "subarray.xstart": 1, "subarray.ystart": 1,
     "subarray.xsize": 2048, "subarray.ysize": 2048}
)  # fmt: skip


def frame_of(plane: np.ndarray, ramp: Ramp) -> np.ndarray:
    """Return what of a plane of the detector lies in the frame of an exposure."""
    stripes, (top, left) = Stripes.of(ramp.meta), ramp.meta.subarray_origin
    rows, columns = ramp.meta["subarray.ysize"], ramp.meta["subarray.xsize"]
    assert stripes is not None
    across = slice(left, left + columns) if stripes.along_rows else slice(top, top + rows)
    return np.asarray(lines_of(plane, stripes, 0, across)[...])


def as_files_have_it(planes: np.ndarray, ramp: Ramp) -> np.ndarray:
    """Return planes of all positions side by side, one position after the other."""
    stripes = Stripes.of(ramp.meta)
    assert stripes is not None
    return planes if stripes.positions == 1 else one_by_one(planes, stripes)


def asked(
    reference_pipeline, name: str, ramp: Ramp, flags: np.ndarray, references: Any, **more: Any
):
    """Ask the reference pipeline for a step, with the flags of each position."""
    stripes = Stripes.of(ramp.meta)
    assert stripes is not None
    moving = stripes.positions > 1
    return reference_pipeline.step(
        name, ramp, references, model="SuperstripeRampModel" if moving else None,
        attributes={"pixeldq": as_files_have_it(flags, ramp)}, **more,
    )  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lines_of_the_detector(reference_pipeline, layout):
    """The mask's values are the numbers of its lines."""
    ramp = exposure(layout, n_group=1)
    stripes = Stripes.of(ramp.meta)
    assert stripes is not None
    line = (np.arange(2048, dtype=np.uint32) + 1) << 12
    whole = np.broadcast_to(line[:, None] if stripes.along_rows else line, (2048, 2048))
    mask = Mask(meta=FULL, dq=np.ascontiguousarray(whole))
    theirs = reference_pipeline.step("DQInitStep", ramp, {"mask": mask})
    np.testing.assert_array_equal(as_files_have_it(frame_of(mask.dq, ramp), ramp), theirs.pixeldq)


@pytest.mark.parametrize("layout", ["interleaved", "backwards", "soss", "moving, backwards"])
def test_saturation(reference_pipeline, layout):
    ramp = exposure(layout, n_group=3)
    rng = np.random.default_rng(9)
    hot = rng.random(ramp.data.shape) < 0.01
    ramp = ramp.replace(data=np.where(hot, np.float32(60000), ramp.data))
    whole = np.full((2048, 2048), 50000, np.float32)
    none = np.zeros(whole.shape, np.uint32)
    reference = SaturationReference(meta=FULL, data=whole, dq=none)
    stripes = Stripes.of(ramp.meta)
    assert stripes is not None
    size = frame_of(none, ramp)
    references = {"saturation": reference, "superbias": "N/A"}
    theirs = asked(reference_pipeline, "SaturationStep", ramp, size, references)
    together = taken_together(ramp).loaded()
    limit = SaturationReference(meta=FULL, data=frame_of(whole, ramp), dq=size)
    ours = Saturation()(together.replace(pixeldq=size), saturation=limit)
    assert (ours.groupdq & DQ.SATURATED).any()
    np.testing.assert_array_equal(as_files_have_it(ours.groupdq, ramp), theirs.groupdq)
    np.testing.assert_array_equal(as_files_have_it(ours.zeroframe, ramp), theirs.zeroframe)


@pytest.mark.parametrize("layout", ["interleaved", "soss"])
def test_coupling(reference_pipeline, layout):
    ramp = exposure(layout, n_group=1)
    kernel = np.array([[0.01, 0.02, 0.03], [0.04, 0.7, 0.05], [0.06, 0.07, 0.02]], np.float32)
    none = frame_of(np.zeros((2048, 2048), np.uint32), ramp)
    reference = Ipc(meta=Meta(), data=kernel)
    theirs = asked(reference_pipeline, "IPCStep", ramp, none, {"ipc": reference})
    ours = IpcStep()(taken_together(ramp).loaded().replace(pixeldq=none), ipc=reference)
    np.testing.assert_allclose(as_files_have_it(ours.data, ramp), theirs.data, rtol=3e-7)


@pytest.mark.parametrize("odd_even", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_reference_pixels(reference_pipeline, layout, odd_even):
    """Levels of each read, zero frames included; then positions are put together."""
    ramp = exposure(layout, n_int=2)
    whole = np.full((2048, 2048), int(DQ.REFERENCE_PIXEL), np.uint32)
    whole[4:-4, 4:-4] = 0
    bad = np.random.default_rng(5).random(whole.shape) < 0.1
    whole[bad] |= np.uint32(DQ.DO_NOT_USE)
    flags = frame_of(whole, ramp)
    theirs = asked(
        reference_pipeline, "RefPixStep", ramp, flags, {"refpix": "N/A", "sirskernel": "N/A"},
        odd_even_columns=odd_even,
    )  # fmt: skip
    together = taken_together(ramp).loaded().replace(pixeldq=flags)
    ours = RefPix(odd_even_columns=odd_even, first_stripe_flags=True)(together)
    stripes = Stripes.of(ramp.meta)
    if stripes is not None and stripes.positions > 1:
        ours = CollateStripes()(ours)
        for name in ("xstart", "ystart", "xsize", "ysize"):
            assert ours.meta[f"subarray.{name}"] == theirs.meta[f"subarray.{name}"], name
        assert not any(theirs.meta.get(f"subarray.{name}") for name in NAMES)
    np.testing.assert_array_equal(np.isnan(ours.data), np.isnan(theirs.data))
    np.testing.assert_allclose(ours.data, theirs.data, rtol=0, atol=2.5e-4)  # 2 ulp of raw numbers
    np.testing.assert_array_equal(ours.pixeldq, theirs.pixeldq)
    np.testing.assert_array_equal(ours.groupdq, theirs.groupdq)
    read = np.isfinite(theirs.data[:, 0])
    np.testing.assert_allclose(ours.zeroframe[read], theirs.zeroframe[read], rtol=0, atol=2.5e-4)


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "nircam": ("nircam", {"mode": "stripes", "size": "small"}),
    "nircam, backwards, averaged groups": ("nircam", {
        "mode": "stripes", "size": "small", "detectors": ("NRCA2",), "pattern": "BRIGHT2",
    }),
    "niriss, segments": ("niriss", {
        "mode": "soss_stripes", "size": "small", "n_ints": 2, "segment_ints": 1,
    }),
    "niriss, averaged groups": ("niriss", {
        "mode": "soss_stripes", "size": "small", "pattern": "NIS", "n_groups": 3,
    }),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(detector1_of_both):
    """What both pipelines make of the cases."""
    return detector1_of_both("stripes", CASES)


def unread(pixeldq: np.ndarray, ramp: np.ndarray) -> np.ndarray:
    """Return the pixels that no position of a super-stripe has read."""
    nothing = np.isnan(ramp).all(axis=(0, 1))
    assert np.all(pixeldq[nothing] & DQ.REFERENCE_PIXEL)
    return nothing


@pytest.mark.parametrize("name", CASES)
def test_ramps(answers, compare, figures, name):
    figures.subject = "stage 1 of stripes, ramps"
    for root in answers.files(name):
        ours, theirs = answers.pair(root, "ramp")
        with ours, theirs:
            mine, other = ours["SCI"].data, theirs["SCI"].data
            nothing = unread(theirs["PIXELDQ"].data, other)
            assert nothing.any() == name.startswith("niriss")
            np.testing.assert_array_equal(np.isnan(mine), np.isnan(other))
            scale = np.full(mine.shape, 1e4, np.float32)  # raw numbers, of which biases were taken
            assert compare.ulp(np.nan_to_num(mine), np.nan_to_num(other), scale) <= 2
            np.testing.assert_array_equal(ours["PIXELDQ"].data, theirs["PIXELDQ"].data)
            differ = ours["GROUPDQ"].data != theirs["GROUPDQ"].data
            assert differ.sum() <= 1e-6 * differ.size, np.argwhere(differ)
            if "ZEROFRAME" in theirs:
                mine, other = (hdus["ZEROFRAME"].data[:, ~nothing] for hdus in (ours, theirs))
                np.testing.assert_allclose(mine, other, rtol=1e-6)
            for table in {"GROUP", "INT_TIMES", "INT_TIMES_STRIPE"} & {hdu.name for hdu in theirs}:
                np.testing.assert_array_equal(ours[table].data, theirs[table].data)
            assert {hdu.name for hdu in ours} == {hdu.name for hdu in theirs}


@pytest.mark.parametrize("name", CASES)
def test_count_rates(answers, name):
    """Pixels that nobody read are NaN and DO_NOT_USE here; jwst 3.0.0 gives 0, with an error."""
    for root in answers.files(name):
        with fits.open(answers.theirs / f"{root}_ramp.fits") as ramp:
            nothing = unread(ramp["PIXELDQ"].data, ramp["SCI"].data)
        for suffix in ("rate", "rateints"):
            ours, theirs = answers.pair(root, suffix)
            with ours, theirs:
                assert {hdu.name for hdu in ours} == {hdu.name for hdu in theirs}
                assert np.isnan(ours["SCI"].data[..., nothing]).all()
                assert np.all(ours["DQ"].data[..., nothing] & DQ.DO_NOT_USE)
                assert np.all(theirs["SCI"].data[..., nothing] == 0)
                read = ~nothing
                np.testing.assert_array_equal(
                    ours["DQ"].data[..., read], theirs["DQ"].data[..., read]
                )
                error = theirs["ERR"].data[..., read]
                for plane in ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE"):
                    mine, other = (
                        hdus[plane].data[..., read].astype(float) for hdus in (ours, theirs)
                    )
                    np.testing.assert_array_equal(np.isnan(mine), np.isnan(other), plane)
                    spare = 1e-6 * error**2 if plane.startswith("VAR") else 0.0
                    limit = 1e-4 * error if plane == "SCI" else 1e-5 * np.abs(other) + spare
                    good = np.isfinite(other)
                    assert np.all((np.abs(mine - other) <= limit)[good]), (root, suffix, plane)
                for key in ("NINTS", "SUBSTRT1", "SUBSTRT2", "SUBSIZE1", "SUBSIZE2"):
                    assert ours[0].header[key] == theirs[0].header[key], key
                for key in (
                    "INTSTART", "INTEND", "MSTR_RD1", "MSTR_RD2", "SSTR_NST", "SSTR_STP",
                ):  # fmt: skip
                    assert ours[0].header.get(key) == theirs[0].header.get(key), key


def test_segments_of_a_superstripe_keep_their_integrations(answers):
    """Each file holds whole integrations, three positions each."""
    for number, root in enumerate(answers.files("niriss, segments"), start=1):
        raw = fits.open(answers.raw / f"{root}_uncal.fits")
        ours, theirs = answers.pair(root, "rateints")
        with raw, ours, theirs:
            assert raw["SCI"].data.shape[0] == len(raw["INT_TIMES"].data) == 3
            for hdus in (ours, theirs):
                table = hdus["INT_TIMES"].data
                assert table["integration_number"].tolist() == [number]
                assert table["int_start_MJD_UTC"] == raw["INT_TIMES"].data["int_start_MJD_UTC"][0]
                assert table["int_end_MJD_UTC"] == raw["INT_TIMES"].data["int_end_MJD_UTC"][2]
                assert (hdus[0].header["INTSTART"], hdus[0].header["INTEND"]) == (number, number)
                assert hdus["INT_TIMES_STRIPE"].data["stripe_number"].tolist() == [1, 2, 3]
            np.testing.assert_array_equal(
                ours["INT_TIMES_STRIPE"].data, theirs["INT_TIMES_STRIPE"].data
            )
