"""Stage-1 steps that only MIRI has, against the reference pipeline."""

import numpy as np
import pytest

from calcore.model import Meta
from calcore.model.reference import Reset as ResetReference
from calcore.model.reference import Rscd as RscdReference
from calcore_miri.steps.firstframe import FirstFrame
from calcore_miri.steps.lastframe import LastFrame
from calcore_miri.steps.refpix import RefPix
from calcore_miri.steps.reset import Reset
from calcore_miri.steps.rscd import Rscd

SHAPE = (40, 48)
EMPTY = Meta({})


@pytest.mark.parametrize(
    ("integrations", "reference_integrations", "reference_groups", "first"),
    [(2, 2, 8, 1), (5, 3, 8, 1), (2, 3, 8, 4), (2, 3, 6, 2), (2, 2, 4, 1)],
)
def test_reset(
    reference_pipeline, compare, make_ramp, integrations, reference_integrations,
    reference_groups, first,
):  # fmt: skip
    rng = np.random.default_rng(1)
    ramp = make_ramp(
        "MIRIMAGE", shape=(integrations, 6, *SHAPE), exposure__integration_start=first,
        exposure__nints=integrations + first - 1,
        exposure__integration_end=integrations + first - 1,
    )  # fmt: skip
    data = rng.normal(50, 8, (reference_integrations, reference_groups, *SHAPE))
    data[:, 1, 3, 3] = np.nan
    reset = ResetReference(
        meta=Meta({"exposure.ngroups": reference_groups, "exposure.nints": reference_integrations}),
        data=data.astype(np.float32),
        dq=rng.integers(0, 8, SHAPE, dtype=np.uint32),
    )
    theirs = reference_pipeline.step("ResetStep", ramp, {"reset": reset})
    assert theirs.meta["cal_step.reset"] == "COMPLETE"
    compare.ramps(Reset()(ramp, reset=reset), theirs, ulp=0, groupdq=0)


def saturating(rng, shape):
    """Flags of ramps that saturate in any group or not at all, some samples bad."""
    end = rng.integers(0, shape[1] + 4, (shape[0], 1, *shape[2:]))
    groupdq = np.where(np.arange(shape[1])[:, None, None] >= end, 2, 0).astype(np.uint8)
    groupdq[rng.random(shape) < 0.05] |= 1
    return groupdq


@pytest.mark.parametrize("groups", [3, 6])
def test_lastframe(reference_pipeline, compare, make_ramp, groups):
    groupdq = saturating(np.random.default_rng(2), (2, groups, *SHAPE))
    ramp = make_ramp("MIRIMAGE", shape=groupdq.shape, groupdq=groupdq)
    theirs = reference_pipeline.step("LastFrameStep", ramp)
    assert theirs.meta["cal_step.lastframe"] == "COMPLETE"
    compare.ramps(LastFrame()(ramp), theirs, ulp=0, groupdq=0)


@pytest.mark.parametrize("keep_bright", [True, False])
def test_firstframe(reference_pipeline, compare, make_ramp, keep_bright):
    groupdq = saturating(np.random.default_rng(3), (2, 5, *SHAPE))
    ramp = make_ramp("MIRIMAGE", shape=groupdq.shape, groupdq=groupdq)
    theirs = reference_pipeline.step("FirstFrameStep", ramp, bright_use_group1=keep_bright)
    assert theirs.meta["cal_step.firstframe"] == "COMPLETE"
    compare.ramps(FirstFrame(bright_use_group1=keep_bright)(ramp), theirs, ulp=0, groupdq=0)


def skips(first, later, subarray="FULL"):
    rows = [("OTHER", "FASTR1", 9, 9), (subarray, "FASTR1", first, later)]
    names = [("subarray", "S13"), ("readpatt", "S8"), ("group_skip1", "f4"), ("group_skip", "f4")]
    return RscdReference(meta=EMPTY, table=np.array(rows, names))


@pytest.mark.parametrize("start", [1, 3])
@pytest.mark.parametrize(("first", "later"), [(4, 3), (2, 4), (0, 2), (-1, 5)])
@pytest.mark.parametrize("groups", [3, 4, 5, 6, 9])
def test_rscd(reference_pipeline, compare, make_ramp, groups, first, later, start):
    groupdq = saturating(np.random.default_rng(groups), (3, groups, *SHAPE))
    groupdq[:, -1] |= 1
    ramp = make_ramp(
        "MIRIMAGE", shape=groupdq.shape, groupdq=groupdq, exposure__integration_start=start,
        exposure__integration_end=start + 2, exposure__nints=start + 2,
    )  # fmt: skip
    reference = skips(first, later)
    theirs = reference_pipeline.step("RscdStep", ramp, {"rscd": reference})
    assert theirs.meta["cal_step.rscd"] == "COMPLETE"
    ours = Rscd()(ramp, rscd=reference)
    compare.ramps(ours, theirs, ulp=0, groupdq=0)
    counts = {name: value for name, value in theirs.meta.items() if name.startswith("rscd.")}
    for kind in ("int1", "int2p"):
        # Where no group is to be left out, all pixels are counted there as having got all back.
        if counts.get(f"rscd.ngroups_skip_{kind}") == 0:
            counts[f"rscd.keep_bright_firstgroup_{kind}"] = 0
    assert {name: ours.meta[name] for name in ours.meta if name.startswith("rscd.")} == counts


def test_rscd_of_a_sub_array_with_another_name(reference_pipeline, compare, make_ramp):
    groupdq = saturating(np.random.default_rng(5), (2, 8, *SHAPE))
    ramp = make_ramp("MIRIMAGE", shape=groupdq.shape, groupdq=groupdq, subarray="SUBPRISM")
    reference = skips(2, 3, "SLITLESSPRISM")
    theirs = reference_pipeline.step("RscdStep", ramp, {"rscd": reference})
    compare.ramps(Rscd()(ramp, rscd=reference), theirs, ulp=0, groupdq=0)


@pytest.mark.parametrize("case", ["odd and even rows", "all rows", "nothing at one end"])
def test_refpix(reference_pipeline, compare, make_ramp, case):
    rng = np.random.default_rng(6)
    shape = (2, 3, 1024, 1032)
    data = rng.normal(9000, 50, shape[2:]) + rng.normal(0, 5, shape)
    data += np.arange(3)[:, None, None] * rng.gamma(1, 20, shape[2:])
    data[0, 1, 100, 1] += 500
    data[1, 2, 33, 1030] -= 700
    flags = np.zeros(shape[2:], np.uint32)
    flags[30:80, 2] = 1
    flags[200:300, 1029] = 1
    if case == "nothing at one end":
        flags[:, 1] = 1
    ramp = make_ramp("MIRIMAGE", shape=shape, data=data, pixeldq=flags)
    settings = {"odd_even_rows": case != "all rows"}
    none = {"refpix": "N/A", "sirskernel": "N/A"}
    theirs = reference_pipeline.step("RefPixStep", ramp, none, **settings)
    assert theirs.meta["cal_step.refpix"] == "COMPLETE"
    ours = RefPix(**settings)(ramp)
    assert np.any(ours.data != ramp.data) == (case != "nothing at one end")
    compare.ramps(ours, theirs, ulp=0)
