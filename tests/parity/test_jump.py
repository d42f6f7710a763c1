"""Jump detection against the reference pipeline."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.model import Meta
from calcore.model.reference import Gain, ReadNoise
from calcore.steps.detector.jump import Jump

SIZE = 48


@pytest.fixture
def references():
    rng = np.random.default_rng(8)
    gain = rng.uniform(1.6, 2.2, (SIZE, SIZE)).astype(np.float32)
    readnoise = rng.uniform(5, 9, (SIZE, SIZE)).astype(np.float32)
    return {
        "gain": Gain(meta=Meta({}), data=gain),
        "readnoise": ReadNoise(meta=Meta({}), data=readnoise),
    }


def hit_ramp(make_ramp, references, shape, *, seed=1, frames=1, lost=0.0, hits=0.02, **meta):
    """Return ramps of all fluxes, hit again and again, with flags scattered over them."""
    rng = np.random.default_rng(seed)
    gain, noise = references["gain"].data, references["readnoise"].data
    full = (*shape, SIZE, SIZE)
    rate = 10 ** rng.uniform(-2, 3, (SIZE, SIZE))
    counts = rng.poisson(rate * 10, full) + (rng.random(full) < hits) * 10 ** rng.uniform(
        1, 5, full
    )
    data = np.cumsum(counts, axis=1) / gain + rng.normal(0, noise / np.sqrt(2 * frames), full)
    flags = (rng.random(full) < lost) * DQ.DO_NOT_USE
    level = rng.integers(0, 4 * shape[1], (shape[0], 1, SIZE, SIZE))
    flags = flags | (np.arange(shape[1])[:, None, None] >= level) * DQ.SATURATED
    return make_ramp(
        data=data.astype(np.float32), groupdq=flags.astype(np.uint8), shape=full, frames=frames,
        **meta,
    )  # fmt: skip


def compare_jumps(reference_pipeline, compare, ramp, references, **parameters):
    theirs = reference_pipeline.step("JumpStep", ramp, references, **parameters)
    ours = Jump(**parameters)(ramp, **references)
    assert theirs.meta["cal_step.jump"] == "COMPLETE"
    compare.ramps(ours, theirs, ulp=0)
    flagged = int((theirs.groupdq & DQ.JUMP_DET).astype(bool).sum())
    return ours, theirs, flagged


@pytest.mark.parametrize(
    ("shape", "frames"),
    [((1, 3), 1), ((1, 4), 1), ((1, 5), 4), ((1, 10), 1), ((1, 11), 8), ((1, 30), 1), ((2, 3), 1),
     ((3, 6), 1), ((2, 12), 4)],
)  # fmt: skip
def test_both_paths(reference_pipeline, compare, make_ramp, references, shape, frames):
    ramp = hit_ramp(make_ramp, references, shape, frames=frames, lost=0.03)
    ours, theirs, flagged = compare_jumps(reference_pipeline, compare, ramp, references)
    assert flagged > 100
    found = ours.meta["exposure.primary_cosmic_rays"]
    assert found == pytest.approx(theirs.meta["exposure.primary_cosmic_rays"], rel=1e-12)


@pytest.mark.parametrize(
    "parameters",
    [
        {"rejection_threshold": 3.0, "four_group_rejection_threshold": 3.5},
        {"flag_4_neighbors": False},
        {"min_jump_to_flag_neighbors": 20.0, "max_jump_to_flag_neighbors": 100.0},
        {"min_diffs_single_pass": 4},
        {"after_jump_flag_dn1": 20.0, "after_jump_flag_time1": 25.0},
        {
            "after_jump_flag_dn1": 10.0,
            "after_jump_flag_time1": 10.0,
            "after_jump_flag_dn2": 500.0,
            "after_jump_flag_time2": 45.0,
        },
    ],
)
def test_parameters(reference_pipeline, compare, make_ramp, references, parameters):
    ramp = hit_ramp(make_ramp, references, (2, 7), lost=0.02, seed=4)
    compare_jumps(reference_pipeline, compare, ramp, references, **parameters)


@pytest.mark.parametrize("dropped", [(0, 11), (5,), (0, 1, 2), (11,)])
def test_groups_that_all_pixels_lost(reference_pipeline, compare, make_ramp, references, dropped):
    """Ten or eleven groups are left of twelve: the path depends on how many."""
    ramp = hit_ramp(make_ramp, references, (2, 12), seed=6)
    groupdq = ramp.groupdq.copy()
    groupdq[:, list(dropped)] |= np.uint8(DQ.DO_NOT_USE)
    ramp = ramp.replace(groupdq=groupdq)
    ours, theirs, _ = compare_jumps(reference_pipeline, compare, ramp, references)
    found = ours.meta["exposure.primary_cosmic_rays"]
    assert found == pytest.approx(theirs.meta["exposure.primary_cosmic_rays"], rel=1e-12)


def test_too_few_usable_groups(reference_pipeline, compare, make_ramp, references):
    ramp = hit_ramp(make_ramp, references, (1, 4), seed=6)
    groupdq = ramp.groupdq.copy()
    groupdq[:, [0, 3]] |= np.uint8(DQ.DO_NOT_USE)
    ramp = ramp.replace(groupdq=groupdq)
    ours, theirs, flagged = compare_jumps(reference_pipeline, compare, ramp, references)
    assert flagged == 0
    # There the keyword is made of the number -99, here there is none.
    assert theirs.meta["exposure.primary_cosmic_rays"] < 0
    assert "exposure.primary_cosmic_rays" not in ours.meta


def test_pixels_without_gain_or_data(reference_pipeline, compare, make_ramp, references):
    ramp = hit_ramp(make_ramp, references, (1, 8), seed=9)
    gain, readnoise = references["gain"].data.copy(), references["readnoise"].data.copy()
    gain[3], gain[4], gain[5] = 0, np.nan, -1.5
    readnoise[7], readnoise[8] = np.nan, 0
    data = ramp.data.copy()
    data[0, 2, 11], data[0, :, 12] = np.nan, np.nan
    references = {
        "gain": references["gain"].replace(data=gain),
        "readnoise": references["readnoise"].replace(data=readnoise),
    }
    ramp = ramp.replace(data=data)
    ours, _, _ = compare_jumps(reference_pipeline, compare, ramp, references)
    assert (ours.pixeldq[3:6] == DQ.NO_GAIN_VALUE | DQ.DO_NOT_USE).all()
