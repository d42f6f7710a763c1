"""Stage-1 steps that look at one pixel at a time, against the reference pipeline."""

import numpy as np
import pytest
from astropy.io import fits

from calcore.io import open_reference
from calcore.model import Meta, Rate
from calcore.model.reference import Dark, Gain, Linearity, Mask, UserFlags
from calcore.model.reference import Superbias as SuperbiasReference
from calcore.steps.detector.dark_current import DarkCurrent
from calcore.steps.detector.dq_init import DqInit
from calcore.steps.detector.gain_scale import GainScale
from calcore.steps.detector.group_scale import GroupScale
from calcore.steps.detector.linearity import Linearity as LinearityStep
from calcore.steps.detector.superbias import Superbias

SHAPE = (40, 48)
EMPTY = Meta({})


def bits(rng, shape, chance=0.1):
    """Flags of which each is set with some chance."""
    flags = np.zeros(shape, np.uint32)
    for bit in range(32):
        flags |= (rng.random(shape) < chance).astype(np.uint32) << np.uint32(bit)
    return flags


def test_group_scale(reference_pipeline, compare, make_ramp):
    ramp = make_ramp(frames=5, exposure__frame_divisor=8)
    theirs = reference_pipeline.step("GroupScaleStep", ramp)
    assert theirs.meta["cal_step.group_scale"] == "COMPLETE"
    compare.ramps(GroupScale()(ramp), theirs, ulp=0)


def test_dq_init(reference_pipeline, compare, make_ramp):
    rng = np.random.default_rng(2)
    groupdq = rng.choice([0, 2, 4], (2, 6, *SHAPE)).astype(np.uint8)
    ramp = make_ramp(groupdq=groupdq, pixeldq=bits(rng, SHAPE))
    mask = Mask(meta=EMPTY, dq=bits(rng, SHAPE))
    theirs = reference_pipeline.step("DQInitStep", ramp, {"mask": mask})
    compare.ramps(DqInit()(ramp, mask=mask), theirs, ulp=0, groupdq=0)


def test_dq_init_with_flags_of_the_user_s_own(reference_pipeline, compare, make_ramp, tmp_path):
    rng = np.random.default_rng(21)
    ramp = make_ramp(pixeldq=bits(rng, SHAPE))
    mask, own = (Mask(meta=EMPTY, dq=bits(rng, SHAPE)) for _ in range(2))
    path = tmp_path / "own.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(own.dq, name="DQ")]).writeto(path)
    theirs = reference_pipeline.step("DQInitStep", ramp, {"mask": mask}, user_supplied_dq=str(path))
    userdq = open_reference(path, UserFlags)
    compare.ramps(DqInit()(ramp, mask=mask, userdq=userdq), theirs, ulp=0, groupdq=0)


def test_superbias(reference_pipeline, compare, make_ramp):
    rng = np.random.default_rng(3)
    zeroframe = rng.normal(12000, 80, (2, *SHAPE)).astype(np.float32)
    zeroframe[0, 3:6, 7] = 0
    ramp = make_ramp(zeroframe=zeroframe)
    bias = rng.normal(12000, 50, SHAPE).astype(np.float32)
    bias[2, 3:5] = np.nan
    bias[9, 9] = 0
    reference = SuperbiasReference(meta=EMPTY, data=bias, dq=bits(rng, SHAPE))
    theirs = reference_pipeline.step("SuperBiasStep", ramp, {"superbias": reference})
    assert theirs.meta["cal_step.superbias"] == "COMPLETE"
    compare.ramps(Superbias()(ramp, superbias=reference), theirs, ulp=0)


def polynomial(rng, count, sign=1.0):
    """Coefficients that bend a ramp of 60000 DN by a few per cent."""
    planes = np.zeros((count, *SHAPE))
    planes[0] = rng.normal(0, 2, SHAPE)
    planes[1] = rng.normal(1, 1e-3, SHAPE)
    for k in range(2, count):
        planes[k] = sign * rng.normal(1, 0.3, SHAPE) * 0.03 / 60000.0 ** (k - 1)
    return planes.astype(np.float32)


def bright(rng, shape):
    """A ramp that reaches 60000 DN, with saturated ends and odd samples."""
    data = rng.uniform(0, 60000 / shape[1], shape[2:]) * np.arange(1, shape[1] + 1)[:, None, None]
    data = (data + rng.normal(0, 12, shape)).astype(np.float32)
    groupdq = np.zeros(shape, np.uint8)
    end = rng.integers(0, 2 * shape[1], shape[2:])
    groupdq[:, np.arange(shape[1])[:, None, None] >= end] |= 2
    groupdq[rng.random(shape) < 0.05] |= 1
    return data, groupdq


def linearity_reference(rng, **planes):
    coefficients = planes.get("coefficients", polynomial(rng, 5))
    coefficients[3, 7, 7] = np.nan
    coefficients[1, 8, 8] = 0
    dq = bits(rng, SHAPE, 0.02)
    return Linearity(meta=EMPTY, coefficients=coefficients, dq=dq, inverse=planes.get("inverse"))


def test_linearity_of_single_reads(reference_pipeline, compare, make_ramp):
    rng = np.random.default_rng(4)
    data, groupdq = bright(rng, (2, 6, *SHAPE))
    zeroframe = rng.normal(1000, 300, (2, *SHAPE)).astype(np.float32)
    zeroframe[:, 5, 5:9] = 0
    ramp = make_ramp(data=data, groupdq=groupdq, zeroframe=zeroframe)
    reference = linearity_reference(rng, inverse=polynomial(rng, 4, -1.0))
    theirs = reference_pipeline.step("LinearityStep", ramp, {"linearity": reference})
    compare.ramps(LinearityStep()(ramp, linearity=reference), theirs, ulp=0, groupdq=0)


@pytest.mark.parametrize(("frames", "gap", "groups"), [(2, 0, 5), (4, 1, 3), (8, 2, 6), (5, 0, 2)])
def test_linearity_of_averages(reference_pipeline, compare, make_ramp, frames, gap, groups):
    rng = np.random.default_rng(frames)
    data, groupdq = bright(rng, (2, groups, *SHAPE))
    ramp = make_ramp(
        data=data, groupdq=groupdq, shape=data.shape, frames=frames, gap=gap,
        zeroframe=rng.normal(1000, 300, (2, *SHAPE)).astype(np.float32),
    )  # fmt: skip
    inverse = polynomial(rng, 4, -1.0)
    inverse[2, 10, 10] = np.nan
    inverse[1, 11, 11] = 0
    reference = linearity_reference(rng, inverse=inverse)
    theirs = reference_pipeline.step("LinearityStep", ramp, {"linearity": reference})
    compare.ramps(LinearityStep()(ramp, linearity=reference), theirs, ulp=1, groupdq=0)


def dark_reference(rng, groups, frames=1, gap=0, integrations=None, **meta):
    shape = (groups, *SHAPE) if integrations is None else (integrations, groups, *SHAPE)
    data = rng.normal(5, 3, shape).cumsum(-3).astype(np.float32)
    data[..., 1, 4, 4] = np.nan
    data[..., 3, 3] = np.nan
    dq = bits(rng, SHAPE)
    values = {"exposure.nframes": frames, "exposure.groupgap": gap, "exposure.ngroups": groups}
    return Dark(meta=Meta({**values, **meta}), data=data, dq=dq)


@pytest.mark.parametrize(
    ("frames", "gap", "groups", "dark_groups", "dark_frames", "dark_gap", "ulp"),
    [
        (1, 0, 6, 6, 1, 0, 0),
        (4, 1, 3, 7, 4, 1, 0),
        (4, 1, 4, 20, 1, 0, 0),
        (8, 12, 2, 40, 1, 0, 0),
        (5, 2, 3, 21, 1, 0, 0),
        (4, 2, 3, 30, 4, 1, 0),
        (1, 0, 6, 3, 1, 0, 0),
        (4, 1, 6, 29, 1, 0, 0),
        (4, 1, 6, 12, 1, 0, 0),
        (2, 0, 6, 9, 1, 0, 0),
    ],
)
def test_dark(
    reference_pipeline, compare, make_ramp, frames, gap, groups, dark_groups, dark_frames,
    dark_gap, ulp,
):  # fmt: skip
    rng = np.random.default_rng(groups)
    ramp = make_ramp(shape=(2, groups, *SHAPE), bias=0.0, frames=frames, gap=gap)
    dark = dark_reference(rng, dark_groups, dark_frames, dark_gap)
    theirs = reference_pipeline.step("DarkCurrentStep", ramp, {"dark": dark})
    assert theirs.meta["cal_step.dark_sub"] == "COMPLETE"
    ours = DarkCurrent()(ramp, dark=dark)
    compare.ramps(ours, theirs, ulp=ulp, groupdq=0, scale=ramp.data)
    np.testing.assert_array_equal(ours.average_dark_current, theirs.average_dark_current)


@pytest.mark.parametrize(
    ("integrations", "dark_integrations", "first", "dark_groups"),
    [(2, 2, 1, 6), (5, 3, 1, 6), (2, 3, 4, 8), (2, 2, 1, 4)],
)
def test_dark_by_integrations(
    reference_pipeline, compare, make_ramp, integrations, dark_integrations, first, dark_groups
):
    rng = np.random.default_rng(integrations)
    ramp = make_ramp(
        "MIRIMAGE", shape=(integrations, 6, *SHAPE), bias=0.0,
        exposure__nints=integrations + first - 1, exposure__integration_start=first,
        exposure__integration_end=integrations + first - 1,
    )  # fmt: skip
    dark = dark_reference(rng, dark_groups, integrations=dark_integrations)
    dark = dark.replace(
        dq=np.stack([bits(rng, SHAPE, 0.03) for _ in range(dark_integrations)])[:, None]
    )
    theirs = reference_pipeline.step("DarkCurrentStep", ramp, {"dark": dark})
    compare.ramps(DarkCurrent()(ramp, dark=dark), theirs, ulp=0, groupdq=0)


def test_dark_of_a_later_segment(reference_pipeline, make_ramp):
    """It begins where the segment does; the reference pipeline takes the last for all."""
    ramp = make_ramp(
        "MIRIMAGE", shape=(3, 6, *SHAPE), exposure__nints=4, exposure__integration_start=2,
        exposure__integration_end=4,
    )  # fmt: skip
    dark = dark_reference(np.random.default_rng(3), 6, integrations=3)
    theirs = reference_pipeline.step("DarkCurrentStep", ramp, {"dark": dark})
    ours = DarkCurrent()(ramp, dark=dark)
    for i, (own, other) in enumerate([(1, 2), (2, 2), (2, 2)]):
        for result, number in ((ours, own), (theirs, other)):
            taken = np.nan_to_num(ramp.data[i] - result.data[i])
            np.testing.assert_allclose(taken, np.nan_to_num(dark.data[number]), atol=0.01)


@pytest.mark.parametrize("source", ["parameter", "keyword"])
def test_average_dark_current(reference_pipeline, make_ramp, source):
    ramp = make_ramp()
    known = {"exposure.average_dark_current": 0.25} if source == "keyword" else {}
    dark = dark_reference(np.random.default_rng(1), 6, **known)
    options = {"average_dark_current": 0.75} if source == "parameter" else {}
    theirs = reference_pipeline.step("DarkCurrentStep", ramp, {"dark": dark}, **options)
    ours = DarkCurrent(**options)(ramp, dark=dark)
    np.testing.assert_array_equal(ours.average_dark_current, theirs.average_dark_current)


@pytest.mark.parametrize(("own", "reference"), [(None, 2.3), (1.7, 2.3), (1.7, None)])
def test_gain_scale(reference_pipeline, compare, make_meta, own, reference):
    rng = np.random.default_rng(7)
    planes = rng.normal(5, 1, (4, *SHAPE)).astype(np.float32)
    meta = make_meta("NIS", (1, 5, *SHAPE)).set({"exposure.gain_factor": own})
    rate = Rate(
        meta=meta, data=planes[0], err=planes[1], dq=np.zeros(SHAPE, np.uint32),
        var_poisson=planes[2], var_rnoise=planes[3],
    )  # fmt: skip
    gain = Gain(
        meta=Meta({"exposure.gain_factor": reference}), data=np.full(SHAPE, 1.6, np.float32)
    )
    theirs = reference_pipeline.step("GainScaleStep", rate, {"gain": gain})
    ours = GainScale()(rate, gain=gain)
    for name in ("data", "err", "var_poisson", "var_rnoise"):
        assert compare.ulp(getattr(ours, name), getattr(theirs, name)) == 0, name
    assert ours.meta["exposure.gain_factor"] == theirs.meta["exposure.gain_factor"]
