"""Ramps made linear."""

import numpy as np
import pytest

from calcore.errors import ReferenceInvalid
from calcore.flags import DQ
from calcore.kernels.linearity import linearize_averages
from calcore.model import Meta
from calcore.model.reference import Linearity as LinearityReference
from calcore.steps.detector.linearity import Linearity
from calcore.testing.contract import Case, StepContract

SHAPE = (12, 300)
BEND = 2e-6


def planes(*coefficients):
    return np.stack([np.full(SHAPE, value, np.float32) for value in coefficients])


def reference(*coefficients, inverse=None, dq=None):
    return LinearityReference(
        meta=Meta({}),
        coefficients=planes(*coefficients),
        dq=np.zeros(SHAPE, np.uint32) if dq is None else dq,
        inverse=inverse,
    )


def measured(signal):
    """What a detector shows whose signal x + BEND x² is linear."""
    return (np.sqrt(1 + 4 * BEND * signal) - 1) / (2 * BEND)


def test_a_polynomial(detector_ramp):
    data = np.full((1, 2, *SHAPE), 2.0)
    result = Linearity()(detector_ramp(data), linearity=reference(1, 10, 100, 1000, 10000))
    np.testing.assert_array_equal(result.data, np.float32(1 + 20 + 400 + 8000 + 160000))


def test_a_bent_ramp_becomes_straight(detector_ramp):
    ramp = np.linspace(1000, 50000, 8)[None, :, None, None] * np.ones(SHAPE)
    result = Linearity()(detector_ramp(measured(ramp)), linearity=reference(0, 1, BEND))
    np.testing.assert_allclose(result.data, ramp, rtol=1e-6)


def test_saturated_samples_and_bad_pixels_keep_their_signal(detector_ramp):
    data = np.full((1, 3, *SHAPE), 100.0)
    data[0, 2, 7, 7] = np.nan
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[0, 2, 5, 5] = int(DQ.SATURATED)
    polynomial = reference(0, 2)
    polynomial.coefficients[0, 1, 1] = np.nan
    polynomial.coefficients[1, 2, 2] = 0
    polynomial.dq[3, 3] = DQ.NO_LIN_CORR
    result = Linearity()(detector_ramp(data, groupdq=groupdq), linearity=polynomial)
    assert result.data[0, :, 5, 5].tolist() == [200, 200, 100]
    for place in (1, 2, 3):
        assert (result.data[0, :, place, place] == 100).all()
        assert result.pixeldq[place, place] == DQ.NO_LIN_CORR
    assert np.isnan(result.data[0, 2, 7, 7])
    assert np.count_nonzero(result.pixeldq) == 3
    assert np.isnan(polynomial.coefficients[0, 1, 1])


def test_zero_frame_is_corrected_but_for_zeros(detector_ramp):
    zeroframe = np.full((1, *SHAPE), 10.0)
    zeroframe[0, 4, 4] = 0
    ramp = detector_ramp(np.ones((1, 2, *SHAPE)), zeroframe=zeroframe)
    result = Linearity()(ramp, linearity=reference(5, 2)).zeroframe
    assert result[0, 4, 4] == 0
    assert result[0, 4, 5] == 25


@pytest.mark.parametrize(("frames", "gap"), [(4, 0), (8, 12)])
def test_averages_are_corrected_read_by_read(detector_ramp, frames, gap):
    """The mean of bent reads is not the bent mean; knowing the reads, it comes out right."""
    reads = np.arange(6)[:, None] * (frames + gap) + np.arange(1, frames + 1)
    true = reads * (60000 / reads.max())
    groups = measured(true).mean(axis=1)[None, :, None, None] * np.ones(SHAPE)
    # x - BEND x² + 2 BEND² x³ - 5 BEND³ x⁴ ... is the inverse of x + BEND x².
    inverse = planes(0, 1, -BEND, 2 * BEND**2, -5 * BEND**3, 14 * BEND**4)
    ramp = detector_ramp(groups, frames=frames, gap=gap)
    wanted = true.mean(axis=1)[None, :, None, None]
    curved = [False, False, True]
    known = reference(0, 1, BEND), reference(0, 1, BEND, inverse=inverse), reference(0, 1, BEND)
    errors = [
        np.abs(
            Linearity(count_gaps=True, curvature=curvature)(ramp, linearity=given).data - wanted
        ).max()
        for curvature, given in zip(curved, known, strict=True)
    ]
    assert max(errors[1:]) < 0.02 * errors[0]


@pytest.mark.parametrize("inverted", [True, False])
@pytest.mark.parametrize("good", [1, 2])
@pytest.mark.parametrize("groups", [1, 3])
def test_short_ramps_are_foretold_from_the_reset(detector_ramp, good, groups, inverted):
    """What is clipped in the second group does not tell how the first one rose."""
    frames, good = 4, min(good, groups)
    true = np.arange(1, groups * frames + 1).reshape(groups, frames) * (60000 / 8.5)
    means = np.minimum(measured(true), measured(40000.0)).mean(axis=1)
    inverse = planes(0, 1, -BEND, 2 * BEND**2, -5 * BEND**3, 14 * BEND**4)
    groupdq = np.zeros((1, groups, *SHAPE), np.uint8)
    groupdq[:, good:] = DQ.SATURATED
    ramp = detector_ramp(
        means[None, :, None, None] * np.ones(SHAPE), groupdq=groupdq, frames=frames
    )
    known = reference(0, 1, BEND, inverse=inverse if inverted else None)
    errors = [
        np.abs(
            Linearity(from_reset=wanted, curvature=True)(ramp, linearity=known).data[0, 0]
            - true[0].mean()
        ).max()
        for wanted in (True, False)
    ]
    assert errors[0] < 2
    assert errors[1] > 20


def test_an_average_of_identical_reads_is_one_read(rng):
    data = np.broadcast_to(rng.uniform(0, 6e4, (1, 1, *SHAPE)), (1, 3, *SHAPE))
    data = np.ascontiguousarray(data, np.float32)
    flags = np.zeros(data.shape, np.uint8)
    result = linearize_averages(data, flags, planes(0, 1, BEND), planes(0, 1, -BEND), 4, 1)
    single = data + BEND * data.astype(float) ** 2
    np.testing.assert_allclose(result, single, rtol=1e-6)


def test_one_coefficient_is_no_polynomial(detector_ramp):
    with pytest.raises(ReferenceInvalid, match="1 plane of coefficients"):
        Linearity()(detector_ramp(np.ones((1, 2, *SHAPE))), linearity=reference(1))


class TestContract(StepContract):
    @pytest.fixture(autouse=True)
    def given(self, detector_ramp, rng):
        groupdq = rng.choice([0, 0, 0, 2], (2, 4, *SHAPE)).astype(np.uint8)
        data = rng.uniform(0, 6e4, (2, 4, *SHAPE))
        self.ramp = detector_ramp(data, groupdq=groupdq, zeroframe=data[:, 0], frames=4)

    def case(self):
        return Case(Linearity(), self.ramp, {"linearity": reference(0, 1, BEND)})


class TestContractOfAverages(TestContract):
    def case(self):
        known = reference(0, 1, BEND, inverse=planes(0, 1, -BEND))
        return Case(Linearity(), self.ramp, {"linearity": known})
