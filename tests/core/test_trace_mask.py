"""Light of dispersed sources without a slit: where traces fall."""

import numpy as np
import pytest

from calcore.errors import KeywordMissing, ModeNotSupported, ReferenceInvalid, ReferenceMissing
from calcore.kernels.trace_mask import near_traces, turned
from calcore.model import ExposureType, Facts, Meta
from calcore.model.reference import Gain, ReadNoise, SceneMask, SpectralTraces
from calcore.steps._traces import light_of
from calcore.steps.detector.clean_flicker_noise import CleanFlickerNoise

EMPTY = Meta({})
SHAPE = (80, 100)


def line(height, slope=0.0, x=(-10.0, 120.0)):
    x = np.array(x)
    return np.stack([x, height + slope * x], axis=1)


def rows_of(near, column):
    return np.flatnonzero(near[:, column]).tolist()


@pytest.mark.parametrize(
    ("height", "rows"), [(40.0, range(24, 57)), (40.1, range(24, 58)), (-14.5, range(3))]
)
def test_a_level_trace_takes_its_wings(height, rows):
    near = near_traces(SHAPE, [line(height)], 16.0)
    assert rows_of(near, 0) == rows_of(near, 99) == list(rows)


def test_the_order_of_points_is_nothing_and_traces_add_up():
    first, second = line(20.0, 0.1), line(60.0, -0.2)
    both = near_traces(SHAPE, [first, second[::-1]], 5.0)
    alone = [near_traces(SHAPE, [trace], 5.0) for trace in (first, second)]
    np.testing.assert_array_equal(both, alone[0] | alone[1])
    doubled = np.concatenate([first, first])
    np.testing.assert_array_equal(near_traces(SHAPE, [doubled], 5.0), alone[0])


def test_traces_go_on_beyond_their_ends():
    short = near_traces(SHAPE, [line(20.0, 0.3, x=(30.0, 60.0))], 5.0)
    np.testing.assert_array_equal(short, near_traces(SHAPE, [line(20.0, 0.3)], 5.0))
    dot = near_traces(SHAPE, [np.array([[50.0, 30.0]])], 5.0)
    assert rows_of(dot, 0) == rows_of(dot, 99) == list(range(25, 36))


def test_points_that_are_no_number_do_not_count():
    trace = line(20.0, 0.3)
    spoilt = np.insert(trace, 1, [[50.0, np.nan], [np.nan, 3.0], [np.inf, 3.0]], axis=0)
    expected = near_traces(SHAPE, [trace], 5.0)
    np.testing.assert_array_equal(near_traces(SHAPE, [spoilt], 5.0), expected)
    assert not near_traces(SHAPE, [trace * np.nan], 5.0).any()


def test_a_trace_turns_about_its_pivot_and_back():
    trace = line(20.0, 0.1)
    there = turned(trace, (50.0, 25.0), 90.0)
    np.testing.assert_allclose(there[0], [50 - (19 - 25), 25 + (-10 - 50)])
    np.testing.assert_allclose(turned(there, (50.0, 25.0), -90.0), trace)
    np.testing.assert_allclose(turned(line(20.0), (0.0, 20.0), 1.0)[1, 1], 20 + 120 * 0.01745241)


def reference(**more):
    trace = {"trace": line(1030.0), "pivot_x": 50.0, "pivot_y": 1030.0}
    return SpectralTraces(meta=EMPTY, traces=[trace | more], commanded=245.76, first_row=1000)


def dispersed(detector_ramp, rng, start=1000, **more):
    data = 20.0 * np.arange(1, 4)[:, None, None] + rng.normal(0, 3, (1, 3, *SHAPE))
    more = {"instrument__pupil_position": 245.76, "exposure__type": "MODE", **more}
    times = {"exposure__group_time": 10.0, "exposure__frame_time": 10.0}
    ramp = detector_ramp(data, start=(start, 0), size=(2048, 2048), **times, **more)
    kind = ExposureType(name="MODE", data={"science_mask": "traces"})
    return ramp.replace(meta=ramp.meta.with_facts(Facts(ramp.meta.facts.detector, kind)))


@pytest.mark.parametrize("start", [1000, 1010])
def test_rows_count_from_the_sub_array_of_the_reference(detector_ramp, rng, start):
    ramp = dispersed(detector_ramp, rng, start)
    # Heights in the reference count from its own first row.
    low = reference(trace=line(40.0), pivot_y=40.0)
    near = light_of(low, ramp)
    assert rows_of(near, 50) == list(range(24 - (start - 1000), 57 - (start - 1000)))


def test_the_step_leaves_traces_out(detector_ramp, rng):
    ramp = dispersed(detector_ramp, rng, instrument__pupil_position=255.76)
    step = CleanFlickerNoise(mask_science_regions=True, save_mask=True, n_sigma=0.0)
    given = {
        "gain": Gain(meta=EMPTY, data=np.ones(SHAPE, np.float32)),
        "readnoise": ReadNoise(meta=EMPTY, data=np.full(SHAPE, 3, np.float32)),
    }
    low = reference(trace=line(40.0), pivot_y=40.0)
    mask = step(ramp, traces=low, **given).mask.data
    np.testing.assert_array_equal(mask == 0, light_of(low, ramp))
    assert rows_of(mask == 0, 95)[0] > rows_of(mask == 0, 5)[0]
    assert "pastasoss" in step.wanted(ramp.meta)
    assert "pastasoss" not in CleanFlickerNoise().wanted(ramp.meta)
    with pytest.raises(ReferenceMissing, match="needs a pastasoss reference to leave out"):
        step(ramp, **given)
    scene = SceneMask(meta=EMPTY, data=np.zeros(SHAPE, np.float32))
    assert (step(ramp, scene=scene, **given).mask.data != 0).all()


def test_what_does_not_tell_where_traces_fall_is_refused(detector_ramp, rng):
    ramp = dispersed(detector_ramp, rng)
    step = CleanFlickerNoise(mask_science_regions=True)
    known = {"pastasoss": reference()}
    step.check(ramp.meta, known)
    with pytest.raises(KeywordMissing):
        step.check(ramp.meta.set({"instrument.pupil_position": None}), known)
    striped = ramp.meta.set({"subarray.multistripe_reads1": 2, "subarray.name": "STRIPES"})
    with pytest.raises(ModeNotSupported, match="in stripes such as those of STRIPES"):
        step.check(striped, known)
    for spoilt in ({"trace": None}, {"pivot_x": None}, {"trace": np.zeros((3, 5))}):
        with pytest.raises(ReferenceInvalid, match=r"lacks its trace of shape \(n, 2\)"):
            light_of(reference(**spoilt), ramp)
