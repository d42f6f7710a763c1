"""Windows of persistence against the reference pipeline, through one and the same kind of file."""

from dataclasses import replace

import numpy as np
import pytest

from calcore import io
from calcore.flags import DQ
from calcore.model.windows import Windows
from calcore.steps.detector.persistence import Persistence

SIZE = 24
START = 61074.25123456


def exposure(
    make_ramp, detector, number, shape, *, seed, listed=True, pause=300.0, size=SIZE, **more
):
    """Return ramps that saturate, cross thresholds, and hold NaN and lost groups."""
    rng = np.random.default_rng([seed, number])
    full = (*shape, SIZE, SIZE)
    data = np.cumsum(rng.gamma(0.15, 9000.0, full), axis=1).astype(np.float32)
    flags = (np.cumsum(data > 50000, axis=1) > 0) * DQ.SATURATED
    flags |= (rng.random(full) < 0.05) * DQ.DO_NOT_USE
    flags |= (rng.random(full) < 0.02) * (DQ.SATURATED | DQ.JUMP_DET)
    data[rng.random(full) < 0.02] = np.nan
    start = START + number * (shape[0] * shape[1] * 10.73677 + pause) / 86400
    ramp = make_ramp(
        detector, full, data=data, groupdq=flags.astype(np.uint8), frame_time=10.73677,
        exposure__start_time=start, exposure__integration_time=shape[1] * 10.73677, **more,
    )  # fmt: skip
    facts = ramp.meta.facts
    detector = replace(facts.detector, rows=size, columns=size)
    ramp = ramp.replace(meta=ramp.meta.with_facts(replace(facts, detector=detector)))
    if not listed:
        return ramp
    kinds = [("integration_number", "i4")] + [
        (f"int_{part}_{clock}", "f8")
        for clock in ("MJD_UTC", "BJD_TDB")
        for part in ("start", "mid", "end")
    ]
    times = np.zeros(shape[0], kinds)
    times["integration_number"] = np.arange(shape[0]) + ramp.meta.first_integration
    begin = start + np.arange(shape[0]) * (shape[1] + 1) * 10.73677 / 86400
    for name in times.dtype.names[1:]:
        times[name] = begin
    return ramp.replace(int_times=times)


def ask(reference_pipeline, ramp, **parameters):
    """Return the reference pipeline's answer, which is not kept: files come and go."""
    return reference_pipeline.step(
        "PersistenceStep", ramp, remember=False, skip=False, **parameters
    )


CASES = {
    "a saturated group opens windows": ("NRCA1", (1, 8), {"persistence_time": 45}, {}),
    "bright groups open them too": (
        "NIS", (1, 8), {"persistence_time": 45, "dn_threshold": 20000.0}, {},
    ),
    "several integrations": (
        "MIRIMAGE", (4, 6), {"persistence_time": 100, "dn_threshold": 30000.0}, {},
    ),
    "integrations without a list": (
        "GUIDER1", (3, 6), {"persistence_time": 75, "dn_threshold": 30000.0}, {"listed": False},
    ),
    "a segment": (
        "NRS1", (2, 6), {"persistence_time": 2000},
        {"exposure__integration_start": 3, "exposure__integration_end": 4},
    ),
    "flagged samples do not count": (
        "NRS2", (2, 5), {"persistence_time": 600, "persistence_dnu": True}, {},
    ),
    "averages of groups": (
        "NRCA2", (2, 5), {"persistence_time": 400, "dn_threshold": 15000.0},
        {"frames": 4, "gap": 1},
    ),
    "windows as long as groups": ("GUIDER2", (2, 7), {"persistence_time": 11}, {"pause": 0.0}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_three_exposures(reference_pipeline, compare, make_ramp, tmp_path, name):
    detector, shape, parameters, more = CASES[name]
    step = Persistence(**parameters)
    kept, theirs_kept, flagged = None, None, 0
    for number in range(3):
        ramp = exposure(make_ramp, detector, number, shape, seed=len(name), **more)
        left = str(tmp_path / f"{number}.asdf")
        theirs = ask(
            reference_pipeline, ramp,
            save_persistence=left, persistence_array_file=theirs_kept, **parameters,
        )  # fmt: skip
        assert theirs.meta["cal_step.persistence"] == "COMPLETE"
        ours = step(ramp, windows=kept)
        compare.ramps(ours.ramp, theirs, ulp=0, groupdq=0)
        kept, theirs_kept = ours.windows, left
        read = Windows.of(io.read_asdf_tree(left)[detector], ramp.meta)
        np.testing.assert_array_equal(read.ends, kept.ends)
        assert read.seconds == kept.seconds
        flagged += int((theirs.groupdq & DQ.PERSISTENCE != 0).sum())
    assert flagged > 200
    assert kept.ends.any()


def test_they_go_on_from_our_file_and_keep_other_detectors(
    reference_pipeline, compare, make_ramp, tmp_path
):
    step = Persistence(persistence_time=600)
    first, second = (exposure(make_ramp, "NRCA1", n, (1, 6), seed=5) for n in range(2))
    ours = step(first)
    path = tmp_path / "windows.asdf"
    io.write_tree({"NRCA1": ours.windows.tree(), "NRCA2": ours.windows.tree()}, path)
    theirs = ask(
        reference_pipeline, second,
        persistence_array_file=str(path), save_persistence=str(path), persistence_time=600,
    )  # fmt: skip
    compare.ramps(step(second, windows=ours.windows).ramp, theirs, ulp=0, groupdq=0)
    tree = io.read_asdf_tree(path)
    assert set(tree) == {"NRCA1", "NRCA2"}
    np.testing.assert_array_equal(tree["NRCA2"]["vals"], ours.windows.tree()["vals"])


def test_their_file_of_a_subarray_counts_from_its_corner(reference_pipeline, make_ramp, tmp_path):
    """So does ours; but ours says where that corner lies."""
    ramp = exposure(make_ramp, "NRCA1", 0, (1, 6), seed=6, start=(9, 17), size=64)
    ours = Persistence(persistence_time=600)(ramp).windows.on_detector(None)
    path = tmp_path / "windows.asdf"
    ask(reference_pipeline, ramp, save_persistence=str(path), persistence_time=600)
    theirs = io.read_asdf_tree(path)["NRCA1"]
    for column in ("rows", "cols", "vals"):
        np.testing.assert_array_equal(ours.tree()[column], theirs[column])
    assert ours.tree()["origin"] == [16, 8]
    np.testing.assert_array_equal(Windows.of(theirs, ramp.meta).ends, ours.ends)


def test_a_time_that_is_missing_fails_there_and_is_explained_here(reference_pipeline, make_ramp):
    ramp = exposure(make_ramp, "NRCA1", 0, (1, 4), seed=7)
    theirs = ask(reference_pipeline, ramp, dn_threshold=1000.0)
    assert theirs.meta["cal_step.persistence"] == "FAILED"
    np.testing.assert_array_equal(theirs.groupdq, ramp.groupdq)
    with pytest.raises(Exception, match="for how many seconds"):
        Persistence(dn_threshold=1000.0)(ramp)
