"""The signal of a detector in the dark."""

import numpy as np
import pytest

from calcore.errors import ReferenceInvalid, StepSkipped
from calcore.flags import DQ
from calcore.kernels.frame_averages import average_frames
from calcore.model import Meta
from calcore.model.reference import Dark, Gain
from calcore.steps.detector.dark_current import DarkCurrent
from calcore.testing.contract import Case, StepContract

SHAPE = (10, 12)


def reference(data, frames=1, gap=0, dq=None, **more):
    return Dark(
        meta=Meta({"exposure.nframes": frames, "exposure.groupgap": gap, **more}),
        data=np.ascontiguousarray(data, np.float32),
        dq=np.zeros(SHAPE, np.uint32) if dq is None else dq,
    )


def rising(groups, slope=2.0):
    """A dark of so many frames that rises evenly."""
    return np.broadcast_to(slope * np.arange(1, groups + 1)[:, None, None], (groups, *SHAPE))


def test_groups_of_single_frames(detector_ramp):
    data = np.full((2, 5, *SHAPE), 100.0)
    dq = np.zeros(SHAPE, np.uint32)
    dq[1, 1] = DQ.UNRELIABLE_DARK
    dark = reference(rising(6), dq=dq)
    dark.data[:, 3, 3] = np.nan
    result = DarkCurrent()(detector_ramp(data), dark=dark)
    assert (result.data[..., 0, 0] == [98, 96, 94, 92, 90]).all()
    assert (result.data[..., 3, 3] == 100).all()
    assert (result.pixeldq == dq).all()


@pytest.mark.parametrize(("frames", "gap"), [(2, 0), (4, 1), (8, 12)])
def test_frames_are_averaged_like_the_exposure(detector_ramp, frames, gap):
    """The mean of an even rise is its middle."""
    count = 3 * (frames + gap)
    ramp = detector_ramp(np.zeros((1, 3, *SHAPE)), frames=frames, gap=gap)
    result = DarkCurrent()(ramp, dark=reference(rising(count)))
    middle = np.arange(3) * (frames + gap) + (frames + 1) / 2
    np.testing.assert_allclose(-result.data[0, :, 4, 4], 2 * middle, rtol=1e-6)


class Filed:
    """A plane in a file, which notes what is read of it."""

    def __init__(self, values, seen):
        self.values, self.seen = values, seen
        self.shape, self.ndim, self.dtype = values.shape, values.ndim, values.dtype

    def within(self, rows, columns):
        return Filed(self.values[..., rows, columns], self.seen)

    def __getitem__(self, index):
        part = self.values[index]
        self.seen.append(part.size)
        return part


@pytest.mark.parametrize(
    ("axes", "integrations", "frames", "needed"), [(3, 2, 1, 5), (4, 1, 1, 5), (4, 3, 4, 48)]
)
def test_only_what_is_needed_is_read(detector_ramp, rng, axes, integrations, frames, needed):
    """Of a long dark in a file; the third integration takes the second's."""
    values = rng.normal(size=(2, 40, *SHAPE)[4 - axes :]).astype(np.float32)
    gap, seen = int(frames > 1), []
    ramp = detector_ramp(np.zeros((integrations, 5, *SHAPE)), frames=frames, gap=gap)
    expected = DarkCurrent()(ramp, dark=reference(values)).data
    filed = reference(values).replace(data=Filed(values, seen))
    np.testing.assert_array_equal(DarkCurrent()(ramp, dark=filed).data, expected)
    assert sum(seen) == needed * np.prod(SHAPE)


def test_what_was_subtracted_is_saved(detector_ramp):
    """Group by group, as the exposure averages; the ramp is the same."""
    ramp = detector_ramp(np.full((2, 3, *SHAPE), 100.0), frames=4, gap=1)
    dark = reference(rising(30, slope=1.0) - 1)
    result = DarkCurrent(save_dark=True)(ramp, dark=dark)
    assert (result.subtracted_dark.data[:, :, 4, 4] == [1.5, 6.5, 11.5]).all()
    np.testing.assert_array_equal(result.ramp.data, DarkCurrent()(ramp, dark=dark).data)


def test_a_dark_averaged_like_the_exposure_is_taken_as_it_is(detector_ramp):
    ramp = detector_ramp(np.zeros((1, 3, *SHAPE)), frames=4, gap=1)
    result = DarkCurrent()(ramp, dark=reference(rising(3), frames=4, gap=1))
    assert result.data[0, :, 4, 4].tolist() == [-2, -4, -6]


@pytest.mark.parametrize("frames", [1, 2])
def test_a_short_dark_is_continued(detector_ramp, frames):
    ramp = detector_ramp(np.zeros((1, 6, *SHAPE)), frames=frames)
    short = DarkCurrent()(ramp, dark=reference(rising(3)))
    long = DarkCurrent()(ramp, dark=reference(rising(12)))
    np.testing.assert_allclose(short.data, long.data, rtol=1e-6)


def test_averages_count_nan_as_zero():
    frames = np.ones((4, 2, 2), np.float32)
    frames[1, 0, 0] = np.nan
    result = average_frames(frames, 2, 2, 0)
    assert result[:, 0, 0].tolist() == [0.5, 1]
    assert np.isnan(frames).sum() == 1


@pytest.mark.parametrize(
    ("start", "expected"), [(1, [1, 2, 3, 3]), (2, [2, 3, 3, 3]), (9, [3] * 4)]
)
def test_integrations_have_darks_of_their_own(detector_ramp, start, expected):
    data = np.ones((3, 2, *SHAPE)) * np.arange(1, 4)[:, None, None, None]
    dq = np.zeros((3, 1, *SHAPE), np.uint32)
    dq[:, 0, 5, 5] = 1, 2, 4
    ramp = detector_ramp(np.zeros((4, 2, *SHAPE)), exposure__integration_start=start)
    result = DarkCurrent()(ramp, dark=reference(data, dq=dq))
    assert (-result.data[:, 0, 4, 4]).tolist() == expected
    assert result.pixeldq[5, 5] == 7


def test_dark_current_for_the_photon_noise(detector_ramp):
    ramp = detector_ramp(np.zeros((1, 2, *SHAPE)))
    known = reference(rising(2), **{"exposure.average_dark_current": 0.25})
    mapped = known.replace(average_dark_current=np.full(SHAPE, 0.5, np.float32))
    below = known.replace(average_dark_current=np.full(SHAPE, -0.5, np.float32))
    for step, dark, expected in (
        (DarkCurrent(), reference(rising(2)), 0),
        (DarkCurrent(), known, 0.25),
        (DarkCurrent(), mapped, 0.25),
        (DarkCurrent(dark_current_map=True), mapped, 0.5),
        (DarkCurrent(average_dark_current=0.75), mapped, 0.75),
        (DarkCurrent(dark_current_map=True), below, 0),
    ):
        assert (step(ramp, dark=dark).average_dark_current == np.float32(expected)).all()


def test_each_pixel_has_the_dark_current_that_its_dark_rises_by(detector_ramp):
    slope = np.full(SHAPE, 2.0, np.float32)
    slope[3, 4], slope[5, 5] = 80, -1
    dark = np.arange(1, 5)[:, None, None] * slope
    dark[0, 6, 6] = np.nan
    gain = Gain(meta=Meta({}), data=np.full(SHAPE, 1.5, np.float32))
    ramp = detector_ramp(np.zeros((1, 2, *SHAPE)), frames=2, gap=1, exposure__frame_time=4.0)
    expected = slope * 1.5 / 4.0
    expected[5, 5] = expected[6, 6] = 0
    step = DarkCurrent(dark_current_map=True)
    for data in (dark, np.stack([3 * dark, dark])):
        result = step(ramp, dark=reference(data), gain=gain)
        np.testing.assert_allclose(result.average_dark_current, expected, rtol=1e-6)
    assert "gain" in step.wanted(ramp.meta)
    assert "gain" not in DarkCurrent().wanted(ramp.meta)


def test_a_dark_of_longer_groups_does_not_fit(detector_ramp):
    ramp = detector_ramp(np.zeros((1, 2, *SHAPE)), frames=2)
    with pytest.raises(StepSkipped, match="4 frames in a group and 1 between"):
        DarkCurrent()(ramp, dark=reference(rising(2), frames=4, gap=1))


def test_one_frame_cannot_be_continued(detector_ramp):
    with pytest.raises(ReferenceInvalid, match="one group"):
        DarkCurrent()(detector_ramp(np.zeros((1, 2, *SHAPE))), dark=reference(rising(1)))


class TestContract(StepContract):
    @pytest.fixture(autouse=True)
    def given(self, detector_ramp, rng):
        self.ramp = detector_ramp(rng.normal(0, 9, (2, 3, *SHAPE)), frames=2, gap=1)
        self.dark = reference(rng.normal(0, 9, (9, *SHAPE)))

    def case(self):
        return Case(DarkCurrent(), self.ramp, {"dark": self.dark})
