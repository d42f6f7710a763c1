"""Signals shared by neighbours after the response has bent them, made linear."""

import numpy as np
import pytest

from calcore.errors import ReferenceInvalid
from calcore.flags import DQ
from calcore.kernels.coupled_response import share_linearly
from calcore.kernels.linearity import linearize
from calcore.model import Meta
from calcore.model.reference import Ipc
from calcore.model.reference import Linearity as LinearityReference
from calcore.steps.detector.ipc import Ipc as IpcStep
from calcore.steps.detector.linearity import Linearity
from calcore.testing.contract import Case, StepContract

SHARE = 0.005
SATURATED = np.uint8(DQ.SATURATED)
COEFFICIENTS = np.array([0, 1, 1.2e-6], np.float64)
UNDOES = np.array([[0, -SHARE, 0], [-SHARE, 1 + 4 * SHARE, -SHARE], [0, -SHARE, 0]], np.float32)
SIZE = 24


def shared(plane):
    """Give each pixel's four neighbours their share."""
    padded = np.pad(plane, 1, mode="edge")
    beside = padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2]
    return plane * (1 - 4 * SHARE) + SHARE * beside


def bent(plane):
    """Return what linearises to a plane."""
    _, one, two = COEFFICIENTS
    return (-one + np.sqrt(one**2 + 4 * two * plane)) / (2 * two)


def star(peak=45000.0, width=1.2):
    y, x = np.mgrid[:SIZE, :SIZE]
    return 200 + peak * np.exp(-((y - 11) ** 2 + (x - 12) ** 2) / (2 * width**2))


def ramp_of(plane):
    return np.ascontiguousarray(plane[None, None], np.float32)


def polynomials(size=SIZE):
    return np.ascontiguousarray(
        np.broadcast_to(COEFFICIENTS[:, None, None], (3, size, size)), np.float32
    )


def corrected(measured, flags=None, weights=UNDOES):
    flags = np.zeros(measured.shape, np.uint8) if flags is None else flags
    alone = linearize(measured, flags, polynomials())
    area = 0, SIZE, 0, SIZE
    return alone, share_linearly(measured, alone, flags, polynomials(), weights, area)


def test_the_mixture_of_linear_signals_comes_out():
    true = star()
    alone, result = corrected(ramp_of(shared(bent(true))))
    inner = (0, 0, slice(1, -1), slice(1, -1))
    before = np.abs(alone - shared(true))[inner].max()
    after = np.abs(result - shared(true))[inner].max()
    assert before > 3
    assert after < 0.1 * before


def test_what_is_even_stays_as_it_is():
    measured = ramp_of(np.full((SIZE, SIZE), 30000.0))
    alone, result = corrected(measured)
    np.testing.assert_array_equal(result, alone)


def test_a_kernel_for_each_pixel_does_the_same():
    measured = ramp_of(shared(bent(star())))
    each = np.ascontiguousarray(
        np.broadcast_to(UNDOES[:, :, None, None], (3, 3, SIZE, SIZE)), np.float32
    )
    np.testing.assert_array_equal(corrected(measured)[1], corrected(measured, weights=each)[1])


def test_the_correction_grows_with_the_square_of_the_contrast():
    steps = []
    for peak in (10000.0, 20000.0):
        alone, result = corrected(ramp_of(shared(bent(star(peak)))))
        steps.append(np.abs(result - alone).max())
    assert steps[1] == pytest.approx(4 * steps[0], rel=0.1)


def test_saturated_samples_and_nan_neither_give_nor_change():
    measured = ramp_of(shared(bent(star())))
    flags = np.zeros(measured.shape, np.uint8)
    flags[0, 0, 11, 12] = SATURATED
    measured[0, 0, 11, 14] = np.nan
    alone, result = corrected(measured, flags)
    assert result[0, 0, 11, 12] == measured[0, 0, 11, 12]
    known = np.isfinite(measured)
    assert np.isfinite(result[known]).all()
    without = measured.copy()
    without[0, 0, 11, 12] = 1e5
    np.testing.assert_array_equal(corrected(without, flags)[1][0, 0, 11, 11], result[0, 0, 11, 11])
    assert not np.array_equal(result, alone)


def test_it_may_be_written_over_what_is_corrected():
    measured = ramp_of(shared(bent(star())))
    alone, result = corrected(measured)
    flags, area = np.zeros(measured.shape, np.uint8), (0, SIZE, 0, SIZE)
    over = share_linearly(measured, alone, flags, polynomials(), UNDOES, area, out=alone)
    assert over is alone
    np.testing.assert_array_equal(over, result)


@pytest.mark.parametrize("beside", [(10, 12), (12, 12), (11, 11), (11, 13)])
def test_a_neighbour_that_is_no_number_hides_no_contrast(beside):
    measured = ramp_of(shared(bent(star())))
    measured[0, 0][beside] = np.nan
    alone, result = corrected(measured)
    assert result[0, 0, 11, 12] > alone[0, 0, 11, 12]


class TestSharedLinearity(StepContract):
    @pytest.fixture(autouse=True)
    def given(self, detector_ramp, rng):
        data = rng.uniform(0, 40000, (1, 3, 20, 16))
        self.ramp = detector_ramp(data)
        coefficients = np.ascontiguousarray(
            np.broadcast_to(COEFFICIENTS[:, None, None], (3, 20, 16)), np.float32
        )
        self.references = {
            "linearity": LinearityReference(
                meta=Meta({}), coefficients=coefficients, dq=np.zeros((20, 16), np.uint32)
            ),
            "ipc": Ipc(meta=Meta({}), data=UNDOES),
        }

    def case(self):
        return Case(Linearity(shared=True), self.ramp, self.references)

    def test_a_kernel_without_a_middle_is_refused(self):
        even = Ipc(meta=Meta({}), data=np.ones((2, 2), np.float32))
        with pytest.raises(ReferenceInvalid, match=r"shape \(2, 2\); give one of odd height"):
            Linearity(shared=True)(self.ramp, **self.references | {"ipc": even})

    def test_it_is_left_out_where_the_sharing_was_undone(self):
        undone = IpcStep()(self.ramp, ipc=self.references["ipc"])
        alone = Linearity()(undone, linearity=self.references["linearity"])
        both = Linearity(shared=True)(undone, **self.references)
        np.testing.assert_array_equal(both.data, alone.data)
        assert "ipc" not in Linearity().wanted(self.ramp.meta)
        assert "ipc" in Linearity(shared=True).wanted(self.ramp.meta)
