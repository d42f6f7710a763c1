"""Reference pixels: levels of amplifiers, columns and lines."""

from dataclasses import replace

import numpy as np
import pytest

from calcore.errors import BadParameter
from calcore.flags import DQ
from calcore.kernels.clipped_means import clipped_means, single_precision_means
from calcore.kernels.reference_pixels import (
    running_median,
)
from calcore.model.readout import Readout
from calcore.steps.detector.refpix import RefPix
from calcore.testing.contract import Case, StepContract

SIZE = (64, 64)
ORIENTATIONS = [(1, 2), (-1, 2), (1, -2), (2, 1), (-2, -1), (-2, 1)]


def flags(shape=SIZE, border=4):
    result = np.full(shape, int(DQ.REFERENCE_PIXEL), np.uint32)
    result[border:-border, border:-border] = 0
    return result


def turned(plane, axes):
    """Return planes in read-out order as they lie in the frame."""
    fast, slow = axes
    plane = plane[..., :: 1 if slow > 0 else -1, :: 1 if fast > 0 else -1]
    return plane.swapaxes(-1, -2) if abs(fast) == 2 else plane


def offsets(rng):
    """Levels of even and odd columns of four amplifiers, in read-out order."""
    return np.tile(rng.normal(50, 20, (4, 1, 2)), (1, 8, 1)).reshape(64)


def corrected(ramp, **settings):
    """Return what a step leaves, in read-out order."""
    return Readout.of(ramp.meta, ramp.frame).turn(RefPix(**settings)(ramp).data)


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_levels_of_amplifiers_and_columns_are_removed(detector_ramp, rng, axes):
    sky = np.zeros((2, 3, *SIZE))
    sky[..., 4:-4, 4:-4] = rng.uniform(0, 1000, (56, 56))
    level = np.stack([offsets(rng) for _ in range(6)]).reshape(2, 3, 1, 64)
    data = turned(sky + level, axes)
    ramp = detector_ramp(data, axes=axes, pixeldq=flags())
    np.testing.assert_allclose(corrected(ramp), sky, atol=1e-3)


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_drift_from_line_to_line_is_followed(detector_ramp, axes):
    """A step of the level is followed by a running median as a step."""
    drift = np.where(np.arange(64) < 30, 0.0, 12.0)
    # The first and last lines tell the level of all; they are equal here.
    drift[-4:] = 0
    data = turned(np.broadcast_to(drift[:, None], (1, 1, *SIZE)), axes)
    ramp = detector_ramp(data, axes=axes, pixeldq=flags())
    lines = corrected(ramp)[0, 0, :, 20]
    np.testing.assert_allclose(lines[:60], 0, atol=1e-5)
    unfollowed = corrected(ramp, use_side_ref_pixels=False)[0, 0, :, 20]
    np.testing.assert_allclose(unfollowed, drift, atol=1e-5)
    halved = corrected(ramp, side_gain=0.5)[0, 0, :60, 20]
    np.testing.assert_allclose(halved, drift[:60] / 2, atol=1e-5)


def test_even_and_odd_columns_can_be_taken_together(detector_ramp):
    data = np.where(np.arange(64) % 2, 10.0, 20.0) * np.ones((1, 1, *SIZE))
    ramp = detector_ramp(data, pixeldq=flags())
    together = corrected(ramp, odd_even_columns=False, use_side_ref_pixels=False)
    assert set(np.unique(together)) == {-5.0, 5.0}
    assert (corrected(ramp) == 0).all()


def test_bad_and_odd_reference_pixels_do_not_count(detector_ramp):
    data = np.full((1, 1, *SIZE), 30.0)
    pixeldq = flags()
    data[0, 0, 1, ::5] = 1e4
    pixeldq[1, ::5] |= np.uint32(DQ.DO_NOT_USE)
    data[0, 0, 2, 7] = np.nan
    data[0, 0, -2, 33] = 5e4  # an outlier
    ramp = detector_ramp(data, pixeldq=pixeldq)
    inner = corrected(ramp)[0, 0, 8:-8, 8:-8]
    np.testing.assert_allclose(inner, 0, atol=1e-5)


@pytest.mark.parametrize("axes", [(1, 2), (2, 1), (-2, -1)])
def test_dark_columns_of_a_sub_array_serve_as_reference_pixels(detector_ramp, rng, axes):
    """They are where the table of detectors says; even and odd lines have levels of their own."""
    sky = np.zeros((2, 3, 16, 40))
    sky[..., 4:-4] = rng.uniform(0, 1000, (16, 32))
    fast = 1 if abs(axes[0]) == 2 else 0
    place = np.indices((16, 40))[1 - fast]
    data = sky + np.where(place % 2, 30.0, 50.0)
    bad = np.zeros((16, 40), np.uint32)
    bad[5:7, 2] = int(DQ.DO_NOT_USE)
    data[..., 5:7, 2] = 1e4
    ramp = detector_ramp(
        data, axes=axes, pixeldq=bad, size=(256, 256), start=(60, 100),
        exposure__noutputs=1, subarray__name="SLIT",
    )  # fmt: skip
    facts = ramp.meta.facts
    untouched = RefPix()(ramp).data
    np.testing.assert_array_equal(untouched, ramp.data)
    knows = replace(facts, detector=replace(facts.detector, dark_columns={"SLIT": 4}))
    result = RefPix()(ramp.replace(meta=ramp.meta.with_facts(knows))).data
    np.testing.assert_allclose(result[..., bad == 0], sky[..., bad == 0], atol=1e-3)
    other = replace(facts, detector=replace(facts.detector, dark_columns={"OTHER": 4}))
    result = RefPix()(ramp.replace(meta=ramp.meta.with_facts(other))).data
    np.testing.assert_array_equal(result, ramp.data)


def test_without_good_reference_pixels_nothing_changes(detector_ramp, rng):
    data = rng.normal(0, 9, (1, 2, *SIZE))
    pixeldq = flags() | np.uint32(DQ.DO_NOT_USE)
    np.testing.assert_array_equal(
        corrected(detector_ramp(data, pixeldq=pixeldq)), data.astype("f4")
    )
    inside = detector_ramp(data, size=(256, 256), start=(60, 60), exposure__noutputs=1)
    np.testing.assert_array_equal(RefPix()(inside).data, inside.data)


def test_a_sub_array_of_one_output_has_one_level(detector_ramp):
    """Even and odd columns count from the sub-array's first."""
    data = np.where(np.arange(64) % 2, 10.0, 20.0) * np.ones((1, 1, *SIZE))
    pixeldq = np.zeros(SIZE, np.uint32)
    pixeldq[:4] = pixeldq[:, :4] = int(DQ.REFERENCE_PIXEL)
    ramp = detector_ramp(data, size=(256, 256), pixeldq=pixeldq, exposure__noutputs=1)
    assert (RefPix()(ramp).data == 0).all()
    pixeldq[:] = 0
    assert (RefPix()(ramp.replace(pixeldq=pixeldq)).data == ramp.data).all()


def test_zero_frame_has_levels_of_its_own(detector_ramp):
    data = np.full((1, 2, *SIZE), 30.0)
    zeroframe = np.full((1, *SIZE), 7.0)
    zeroframe[0, 20, 20] = 0
    ramp = detector_ramp(data, zeroframe=zeroframe, pixeldq=flags())
    result = RefPix()(ramp)
    assert (result.zeroframe == 0).all()
    assert (result.data == 0).all()


def test_clipped_means_leave_outliers_out(rng):
    values = rng.normal(10, 1, (1, 1, 4, 500)).astype(np.float32)
    kind = np.tile(np.arange(500) % 2, (4, 1)).astype(np.int64)
    clean = clipped_means(values, np.ones((4, 500), bool), kind, 2)
    values[0, 0, 1, 4] = 1e6
    np.testing.assert_allclose(
        clipped_means(values, np.ones((4, 500), bool), kind, 2), clean, atol=3e-3
    )
    assert np.isnan(clipped_means(values, np.zeros((4, 500), bool), kind, 2)).all()


def test_means_in_single_precision_are_near_those_in_double(rng):
    values = rng.normal(12000, 6, (2, 3, 4, 500)).astype(np.float32)
    values[..., 7] = np.nan
    values[0, 0, 1, 100:103] += 300
    good, kind = np.ones((4, 500), bool), np.broadcast_to(np.arange(500) % 2, (4, 500))
    rough, exact = (f(values, good, kind, 2) for f in (single_precision_means, clipped_means))
    assert rough.dtype == np.float32
    assert np.abs(rough - exact).max() <= 3 * np.spacing(np.float32(12000))
    assert np.any(rough != exact)
    nothing = single_precision_means(values, ~good, kind, 2)
    assert np.isnan(nothing).all()


@pytest.mark.parametrize("count", [1, 7, 8, 127, 129, 256, 1000, 5003])
@pytest.mark.parametrize("sigma", [0.0, 3.0])
def test_means_in_single_precision_are_numpys(rng, count, sigma):
    values = rng.normal(12000, 6, (3, 2, 1, count)).astype(np.float32)
    values[rng.random(values.shape) < 0.02] += 300
    values[rng.random(values.shape) < 0.02] = np.nan
    values[1, 1] = 12000.1
    good, kind = np.ones((1, count), bool), np.zeros((1, count), np.int64)
    found = single_precision_means(values, good, kind, 1, sigma)
    for place in np.ndindex(3, 2):
        kept = values[place][~np.isnan(values[place])]
        mean, before = np.float32(np.nan), 0
        while kept.size != before:
            before, mean, reach = kept.size, kept.mean(), np.float32(sigma) * kept.std()
            kept = kept[np.abs(kept - mean) <= reach] if reach > 0 else kept
        np.testing.assert_array_equal(found[*place, 0], mean)


@pytest.mark.parametrize("length", [1, 4, 7])
def test_running_median(rng, length):
    values = rng.normal(0, 1, (1, 1, 30, 4))
    values[0, 0, 9:12] = np.nan
    result = running_median(values, 0, 30, length)[0, 0]
    padded = np.pad(values[0, 0], ((length // 2, (length - 1) // 2), (0, 0)), mode="reflect")
    for row in range(30):
        window = padded[row : row + length]
        known = window[np.isfinite(window)]
        expected = np.median(known) if known.size else np.nan
        np.testing.assert_allclose(result[row], expected)


def test_negative_lengths_are_refused():
    with pytest.raises(BadParameter, match="side_smoothing_length is 0"):
        RefPix(side_smoothing_length=0)


class TestContract(StepContract):
    axes = (1, 2)

    @pytest.fixture(autouse=True)
    def given(self, detector_ramp, rng):
        data = rng.normal(30, 5, (2, 3, *SIZE))
        self.ramp = detector_ramp(data, zeroframe=data[:, 0], pixeldq=flags(), axes=self.axes)

    def case(self):
        return Case(RefPix(), self.ramp)


class TestContractOfColumns(TestContract):
    axes = (-2, -1)
