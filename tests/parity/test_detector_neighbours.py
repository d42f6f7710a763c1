"""Stage-1 steps that look at neighbouring pixels, against the reference pipeline."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.model import Meta
from calcore.model.reference import Ipc as IpcReference
from calcore.model.reference import Saturation as SaturationReference
from calcore.model.reference import Superbias
from calcore.steps.detector.charge_migration import ChargeMigration
from calcore.steps.detector.ipc import Ipc
from calcore.steps.detector.saturation import Saturation

SIZE = (60, 64)
EMPTY = Meta({})


def saturating(rng, shape, bias):
    """A ramp of bright pixels and hits that ends at 24000 DN, some samples odd."""
    rate = rng.gamma(0.3, 3000, shape[2:])
    hits = (rng.random(shape) < 0.01) * rng.gamma(1, 6000, shape)
    data = bias + rate * np.arange(1, shape[1] + 1)[:, None, None] + np.cumsum(hits, axis=1)
    data = np.minimum(data + rng.normal(0, 10, shape), 24000)
    data[rng.random(shape) < 0.002] = 0
    data[rng.random(shape) < 0.002] = -3
    return data.astype(np.float32)


def references(rng, bias):
    threshold = rng.normal(22000, 1000, SIZE).astype(np.float32)
    threshold[rng.random(SIZE) < 0.02] = np.nan
    dq = ((rng.random(SIZE) < 0.05) * int(DQ.NO_SAT_CHECK)).astype(np.uint32)
    dq |= (rng.random(SIZE) < 0.05).astype(np.uint32)
    return {
        "saturation": SaturationReference(meta=EMPTY, data=threshold, dq=dq),
        "superbias": Superbias(meta=EMPTY, data=bias, dq=np.zeros(SIZE, np.uint32)),
    }


@pytest.mark.parametrize("grow", [0, 1, 2])
@pytest.mark.parametrize(
    ("frames", "gap", "groups"), [(1, 0, 6), (4, 1, 6), (8, 2, 3), (2, 0, 2), (4, 0, 1)]
)
def test_saturation(reference_pipeline, compare, make_ramp, frames, gap, groups, grow):
    rng = np.random.default_rng(frames + groups)
    shape = (2, groups, *SIZE)
    bias = rng.normal(8000, 200, SIZE).astype(np.float32)
    bias[3, 3:30] = np.nan
    data = saturating(rng, shape, np.nan_to_num(bias, nan=8000.0))
    zeroframe = data[:, 0].copy()
    zeroframe[:, 9, 9] = np.nan
    groupdq = rng.choice([0] * 60 + [1, 2, 4], shape).astype(np.uint8)
    ramp = make_ramp(
        shape=shape, data=data, groupdq=groupdq, zeroframe=zeroframe, frames=frames, gap=gap
    )
    given = references(rng, bias)
    theirs = reference_pipeline.step("SaturationStep", ramp, given, n_pix_grow_sat=grow)
    ours = Saturation(n_pix_grow_sat=grow)(ramp, **given)
    saturated = (ours.groupdq & DQ.SATURATED) != 0
    assert 0.01 < saturated.mean() < 0.8
    compare.ramps(ours, theirs, ulp=0, groupdq=0)


def test_saturation_without_read_pattern(reference_pipeline, compare, make_ramp):
    rng = np.random.default_rng(8)
    bias = rng.normal(8000, 200, SIZE).astype(np.float32)
    ramp = make_ramp(shape=(2, 6, *SIZE), data=saturating(rng, (2, 6, *SIZE), bias), frames=4)
    given = references(rng, bias)
    theirs = reference_pipeline.step("SaturationStep", ramp, given, use_readpatt=False)
    compare.ramps(Saturation(use_readpatt=False)(ramp, **given), theirs, ulp=0, groupdq=0)


@pytest.mark.parametrize("unknown", ["NaN", "not checked"])
def test_saturation_of_bright_pixels_without_threshold(
    reference_pipeline, compare, make_ramp, unknown
):
    rng = np.random.default_rng(3)
    threshold = rng.uniform(30000, 60000, SIZE).astype(np.float32)
    dq = np.zeros(SIZE, np.uint32)
    chosen = rng.random(SIZE) < 0.2
    if unknown == "NaN":
        threshold[chosen] = np.nan
    else:
        dq[chosen] = DQ.NO_SAT_CHECK
    rates = 10 ** rng.uniform(3, 4.7, SIZE)
    data = np.minimum(12000 + rates * np.arange(1, 7)[:, None, None], 63000)[None]
    ramp = make_ramp(shape=data.shape, data=data, frames=4, gap=1)
    bias = np.full(SIZE, 12000, np.float32)
    given = {
        "saturation": SaturationReference(meta=EMPTY, data=threshold, dq=dq),
        "superbias": Superbias(meta=EMPTY, data=bias, dq=np.zeros(SIZE, np.uint32)),
    }
    theirs = reference_pipeline.step("SaturationStep", ramp, given)
    compare.ramps(Saturation()(ramp, **given), theirs, ulp=0, groupdq=0)


@pytest.mark.parametrize("shape", [(3, 3), (5, 5), (3, 5)])
@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.parametrize("detector", ["NRCA1", "MIRIMAGE"])
def test_ipc(reference_pipeline, compare, make_ramp, in_bands, detector, varying, shape):
    rng = np.random.default_rng(9)
    ramp = make_ramp(detector, shape=(1, 2, *SIZE), subarray="SUB", start=(1, 1))
    kernel = (rng.random(shape) / 20).astype(np.float32)
    if varying:
        kernel = (kernel[..., None, None] * rng.normal(1, 0.1, SIZE)).astype(np.float32)
    reference = IpcReference(meta=EMPTY, data=kernel)
    theirs = reference_pipeline.step("IPCStep", ramp, {"ipc": reference})
    compare.ramps(Ipc()(ramp, ipc=reference), theirs, ulp=0)


def test_charge_migration(reference_pipeline, compare, make_ramp):
    rng = np.random.default_rng(10)
    shape = (2, 6, *SIZE)
    groupdq = rng.choice([0, 0, 0, 0, 0, 1, 2, 4, 64, 3, 5], shape).astype(np.uint8)
    ramp = make_ramp(shape=shape, rate=300.0, bias=1000.0, groupdq=groupdq)
    theirs = reference_pipeline.step("ChargeMigrationStep", ramp, signal_threshold=3500.0)
    assert theirs.meta["cal_step.charge_migration"] == "COMPLETE"
    compare.ramps(ChargeMigration(signal_threshold=3500.0)(ramp), theirs, ulp=0, groupdq=0)
