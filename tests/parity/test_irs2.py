"""NIRSpec's IRS2 read-out against the reference pipeline: refpix, saturation, and files end to end."""

import numpy as np
import pytest
from astropy.io import fits

from calcore.flags import DQ
from calcore.model import Meta
from calcore.model.interleaved import Interleaved
from calcore.model.reference import Ipc as IpcReference
from calcore.model.reference import Saturation as SaturationReference
from calcore.model.reference import Superbias
from calcore.simulate import VisitOptions, simulate
from calcore_nirspec import INSTRUMENT
from calcore_nirspec.references import Irs2Weights
from calcore_nirspec.simulate import SIMULATION
from calcore_nirspec.steps.ipc import Ipc
from calcore_nirspec.steps.refpix import RefPix
from calcore_nirspec.steps.saturation import Saturation

N_SAMPLE = 712 * 2048
KINDS = [("output", "i2"), ("odd_even", "i2"), ("mask", "u4")]


def known(ramp, columns=2048):
    """The exposure as the instrument's tables know it."""
    sizes = {"subarray.ysize": 2048, "subarray.xsize": columns}
    meta = ramp.meta.set(sizes)
    return ramp.replace(meta=meta.with_facts(INSTRUMENT.facts(meta)))


def made(make_ramp, detector, data, **more):
    keys = {
        "exposure__readpatt": "NRSIRS2RAPID", "exposure__nrs_normal": 16,
        "exposure__nrs_reference": 4, "exposure__noutputs": 5, **more,
    }  # fmt: skip
    return known(make_ramp(detector, shape=data.shape, data=data, **keys), data.shape[3])


def weights(rng, bad=(0,) * 8):
    """Weights that fall with frequency, and reference pixels that are not to be used."""
    names = [f"{name}_{k}" for name in ("alpha", "beta") for k in range(4)]
    table = np.zeros(2 * N_SAMPLE, [(name, "f4") for name in names])
    falling = np.exp(-np.minimum(np.arange(N_SAMPLE), N_SAMPLE - np.arange(N_SAMPLE)) / 3e4)
    for name in names:
        table[name] = rng.normal(0, 0.3, 2 * N_SAMPLE) * np.repeat(falling, 2)
    rows = [(k, pair, bad[2 * (k - 1) + pair - 1]) for k in (1, 2, 3, 4) for pair in (1, 2)]
    return Irs2Weights(meta=Meta({}), table=table, bad=np.array(rows, KINDS))


def asked(reference_pipeline, ramp, table, **settings):
    description = {
        "type": "IRS2Model", "meta": {"instrument.detector": ramp.meta.detector},
        "attributes": {"irs2_table": table.table, "dq_table": table.bad},
    }  # fmt: skip
    return reference_pipeline.step("RefPixStep", ramp, {"refpix": description}, **settings)


def same(ours, theirs, *, limit=3e-4, others=0):
    """Compare signals; 1e-4 of a read's noise is 8e-4. So many `others` may differ by a drift."""
    away = np.abs(ours - theirs) > limit
    assert away.sum() <= others
    np.testing.assert_allclose(ours[away], theirs[away], rtol=0, atol=0.2)


@pytest.mark.parametrize(
    ("detector", "groups", "settings"),
    [
        ("NRS1", 2, {}),
        ("NRS2", 1, {}),
        ("NRS1", 1, {"ovr_corr_mitigation_ftr": 1.5}),
        ("NRS2", 1, {"irs2_mean_subtraction": True}),
    ],
    ids=["first detector", "second detector", "many odd pairs", "even and odd pixels"],
)
def test_refpix(reference_pipeline, make_ramp, detector, groups, settings):
    """Groups are corrected one by one: one is enough once two have been seen."""
    rng = np.random.default_rng(1)
    data = np.rint(rng.normal(1000, 8, (1, groups, 3200, 2048))).astype(np.float32)
    data += rng.normal(0, 1, (1, groups, 3200, 1)).astype(np.float32)
    data[0, -1, 1000:1040] += 30
    ramp = made(make_ramp, detector, data)
    table = weights(rng, (9, 2, 9, 2, 32, 128, 0, 1 << 31))
    theirs = asked(reference_pipeline, ramp, table, **settings)
    assert theirs.meta["cal_step.refpix"] == "COMPLETE"
    ours = RefPix(means_missing=True, **settings)(ramp, weights=table)
    assert ours.data.dtype == theirs.data.dtype
    same(ours.data, theirs.data)
    np.testing.assert_array_equal(ours.pixeldq, theirs.pixeldq)
    np.testing.assert_array_equal(ours.groupdq, theirs.groupdq)


@pytest.mark.parametrize("levelled", [False, True])
@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_refpix_with_bad_rows(reference_pipeline, make_ramp, detector, levelled):
    """Rows with bad reference pixels, odd pairs and pairs known to be bad, side by side."""
    rng = np.random.default_rng(6)
    data = rng.normal(1000, 8, (1, 1, 3200, 2048)).astype(np.float32)
    first = 640 if detector == "NRS1" else 0
    data[:, :, [first + 640 * k + 20 * (5 * k + 2) + 10 for k in range(4)]] += 50
    pixeldq = np.zeros((3200, 2048), np.uint32)
    pixeldq[first + rng.integers(0, 2560, 150), rng.integers(0, 2048, 150)] = DQ.BAD_REF_PIXEL
    for jump in (4, 5, 6):
        pixeldq[first + 20 * jump + 5, 7] = DQ.BAD_REF_PIXEL
    ramp = made(make_ramp, detector, data).replace(pixeldq=pixeldq)
    table = weights(rng, tuple(int(bits) for bits in rng.integers(0, 1 << 32, 8)))
    settings = {"irs2_mean_subtraction": levelled}
    theirs = asked(reference_pipeline, ramp, table, **settings)
    ours = RefPix(means_missing=True, replace_bad_rows=True, **settings)(ramp, weights=table)
    # A reading that is its pixel's mean to the last bit counts as none; how levels that were subtracted
    # are rounded decides that for some, and a reference pixel among them is felt by its neighbours.
    same(ours.data, theirs.data, **({"limit": 2e-3, "others": 60} if levelled else {}))
    np.testing.assert_array_equal(ours.pixeldq, theirs.pixeldq)


@pytest.mark.parametrize("frames", [1, 5])
@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_saturation(reference_pipeline, make_ramp, detector, frames):
    rng = np.random.default_rng(2)
    shape = (1, 6, 3200, 24)
    rate = rng.uniform(0, 20000, shape[2:])
    data = rng.uniform(5000, 15000, shape[2:]) + rate * np.arange(1, 7)[:, None, None]
    data = data[None]
    for _ in range(9000):
        y, x, g = rng.integers(3200), rng.integers(24), rng.integers(1, 6)
        data[0, g:, y, x] += rng.uniform(5000, 60000)
    data[0, :, 700::97, 5] = -3
    pattern = "NRSIRS2" if frames > 1 else "NRSIRS2RAPID"
    data = np.minimum(data, 65535).astype(np.float32)
    more = {"frames": frames, "exposure__readpatt": pattern}
    ramp = made(make_ramp, detector, data, **more)
    limit = rng.uniform(45000, 62000, (2048, 24)).astype(np.float32)
    limit[rng.random(limit.shape) < 0.01] = np.nan
    flags = (rng.random(limit.shape) < 0.01).astype(np.uint32) << 21
    reference = SaturationReference(meta=Meta({}), data=limit, dq=flags)
    level = rng.uniform(8000, 9000, (3200, 24)).astype(np.float32)
    bias = Superbias(meta=Meta({}), data=level, dq=np.zeros(level.shape, np.uint32))
    given = {"saturation": reference, "superbias": bias}
    theirs = reference_pipeline.step("SaturationStep", ramp, given)
    layout = Interleaved.of(ramp.meta)
    spread = reference.replace(data=layout.spread(limit), dq=layout.spread(flags))
    ours = Saturation(only_second_group=True)(ramp, saturation=spread, superbias=bias)
    np.testing.assert_array_equal(ours.groupdq, theirs.groupdq)
    science = layout.science
    np.testing.assert_array_equal(ours.pixeldq[science], theirs.pixeldq[science])


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_ipc(reference_pipeline, compare, make_ramp, detector):
    """Neighbours are those on the detector, and none is a reference pixel."""
    rng = np.random.default_rng(3)
    ramp = made(make_ramp, detector, rng.uniform(0, 5e4, (1, 2, 3200, 40)).astype(np.float32))
    kernel = rng.normal(0, 0.01, (3, 3)).astype(np.float32)
    kernel[1, 1] = 1.04
    reference = IpcReference(meta=Meta({}), data=kernel)
    theirs = reference_pipeline.step("IPCStep", ramp, {"ipc": reference})
    assert theirs.meta["cal_step.ipc"] == "COMPLETE"
    compare.ramps(Ipc()(ramp, ipc=reference), theirs, ulp=1)


# What is written at another time or by another program, or says it in another way on purpose.
OTHERWISE = {
    "",
    "COMMENT",
    "HISTORY",
    "DATE",
    "CAL_VER",
    "CAL_VCS",
    "FILENAME",
    "PRIMECRS",
    "EXTNCRS",
}


def exposure(folder, detector, pattern, groups):
    """Simulate an exposure; return the raw file and the cache of its references."""
    options = VisitOptions(
        mode="ifu", detectors=(detector,), pattern=pattern, n_groups=groups, n_dithers=1, seed=7,
        truth=False,
    )  # fmt: skip
    simulate(SIMULATION, folder, options)
    return next(folder.glob("*_uncal.fits")), folder / "crds_cache"


def check_ramps(compare, figures, mine, theirs, raw, detector):
    """Compare corrected ramps with those of the reference pipeline."""
    layout = Interleaved.laid_out(16, 4, rows=2048, outputs=4, first=detector == "NRS1")
    before = fits.getdata(raw)[:, :, layout.science].astype("f4")
    mine_data, their_data = (hdus["SCI"].data.astype("f4") for hdus in (mine, theirs))
    # Units are those of the raw numbers, from which the corrections were subtracted.
    assert compare.ulp(mine_data, their_data, before) <= 2
    for plane in ("PIXELDQ", "GROUPDQ"):
        figures.saw_flags(plane, mine[plane].data, theirs[plane].data)
        np.testing.assert_array_equal(mine[plane].data, theirs[plane].data)


def check_headers(mine, theirs, otherwise=frozenset()):
    """Compare keywords but those that are written otherwise."""
    for name in ("PRIMARY", "SCI"):
        cards = [c for c in theirs[name].header.cards if c.keyword not in OTHERWISE | otherwise]
        header = mine[name].header
        assert [c.keyword for c in cards if header.get(c.keyword) != c.value] == []


@pytest.mark.parametrize(
    ("detector", "pattern", "groups"), [("NRS1", "NRSIRS2RAPID", 4), ("NRS2", "NRSIRS2", 3)]
)
def test_same_raw_exposure_gives_the_same_count_rates(
    reference_pipeline, own_batch, compare, figures, tmp_path, detector, pattern, groups
):
    reference_pipeline.require()
    raw, cache = exposure(tmp_path / "raw", detector, pattern, groups)
    reference_pipeline.pipeline(
        "Detector1Pipeline", raw, tmp_path / "theirs", cache=cache, save_calibrated_ramp=True
    )
    job = {"inputs": str(raw), "output": str(tmp_path / "ours"), "stage": "1", "save": ["jump"]}
    own_batch([job], tmp_path / "ours", cache).finish()
    root = raw.name.removesuffix("_uncal.fits")
    with (
        fits.open(tmp_path / "ours" / f"{root}_jump.fits") as mine,
        fits.open(tmp_path / "theirs" / f"{root}_ramp.fits") as theirs,
    ):
        check_ramps(compare, figures, mine, theirs, raw, detector)
    for suffix in ("rate", "rateints"):
        with (
            fits.open(tmp_path / "ours" / f"{root}_{suffix}.fits") as mine,
            fits.open(tmp_path / "theirs" / f"{root}_{suffix}.fits") as theirs,
        ):
            assert {hdu.name for hdu in mine} == {hdu.name for hdu in theirs}
            np.testing.assert_array_equal(mine["DQ"].data, theirs["DQ"].data)
            compare.images(*({hdu.name: hdu.data for hdu in hdus} for hdus in (mine, theirs)))
            rate, error = theirs["SCI"].data, theirs["ERR"].data
            np.testing.assert_array_equal(np.isnan(mine["SCI"].data), np.isnan(rate))
            good = np.isfinite(rate)
            assert np.all((np.abs(mine["SCI"].data - rate) <= 1e-4 * error)[good])
            np.testing.assert_allclose(mine["ERR"].data, error, rtol=1e-4)
            check_headers(mine, theirs)


def test_same_raw_exposure_gives_the_same_dark(
    reference_pipeline, own_batch, compare, figures, tmp_path
):
    """The second detector read fast; count rates are of the other two of four."""
    detector = "NRS2"
    reference_pipeline.require()
    raw, cache = exposure(tmp_path / "raw", detector, "NRSIRS2RAPID", 3)
    fits.setval(raw, "EXP_TYPE", value="NRS_DARK")
    (answer,) = reference_pipeline.pipeline("DarkPipeline", raw, tmp_path / "theirs", cache=cache)
    job = {"inputs": str(raw), "output": str(tmp_path / "ours"), "pipeline": "calwebb_dark"}
    own_batch([job], tmp_path / "ours", cache).finish()
    ours = next((tmp_path / "ours").glob("*_dark.fits"))
    with fits.open(ours) as mine, fits.open(answer) as theirs:
        assert {hdu.name for hdu in mine} == {hdu.name for hdu in theirs}
        check_ramps(compare, figures, mine, theirs, raw, detector)
        check_headers(mine, theirs, {"FILETYPE"})
