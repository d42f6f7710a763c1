"""Charge that coupled into neighbours."""

import numpy as np
import pytest

from calcore.errors import ReferenceInvalid
from calcore.model import Meta
from calcore.model.reference import Ipc as IpcReference
from calcore.steps.detector.ipc import Ipc
from calcore.testing.contract import Case, StepContract

SHAPE = (20, 24)


def reference(kernel):
    return IpcReference(meta=Meta({}), data=np.asarray(kernel, np.float32))


def point(y=10, x=12):
    data = np.zeros((1, 1, *SHAPE))
    data[0, 0, y, x] = 1
    return data


def test_a_point_becomes_the_kernel(detector_ramp):
    kernel = np.arange(9.0).reshape(3, 3)
    result = Ipc()(detector_ramp(point()), ipc=reference(kernel)).data[0, 0]
    np.testing.assert_array_equal(result[9:12, 11:14], kernel)
    assert result.sum() == kernel.sum()


def test_correction_undoes_coupling(detector_ramp, rng):
    side = 0.005
    coupling = np.array([[0, side, 0], [side, 1 - 4 * side, side], [0, side, 0]])
    undo = np.array([[0, -side, 0], [-side, 1 + 4 * side, -side], [0, -side, 0]])
    data = rng.uniform(0, 1000, (1, 2, *SHAPE))
    once = Ipc()(detector_ramp(data), ipc=reference(coupling))
    twice = Ipc()(once, ipc=reference(undo))
    inner = np.s_[..., 6:-6, 6:-6]
    # What is left is of second order in the coupling.
    assert np.abs(once.data[inner] - data[inner]).max() > 5
    np.testing.assert_allclose(twice.data[inner], data[inner], atol=40 * side**2 * 1000)


def test_reference_pixels_take_no_part(detector_ramp, rng):
    data = rng.uniform(0, 1000, (1, 1, *SHAPE))
    result = Ipc()(detector_ramp(data), ipc=reference(np.ones((3, 3)))).data
    outside = np.ones(SHAPE, bool)
    outside[4:-4, 4:-4] = False
    np.testing.assert_array_equal(result[0, 0, outside], data[0, 0, outside].astype(np.float32))
    assert result[0, 0, 4, 4] == pytest.approx(data[0, 0, 4:6, 4:6].sum(), rel=1e-6)


def test_a_sub_array_has_the_border_it_contains(detector_ramp):
    ramp = detector_ramp(np.ones((1, 1, *SHAPE)), size=(40, 40), start=(20, 8))
    result = Ipc()(ramp, ipc=reference(np.ones((3, 3)))).data[0, 0]
    assert (result[-4:] == 1).all()
    assert result[0, 0] == 4
    assert result[8, 8] == 9
    assert result[-5, 8] == 6


def test_nan_spreads_over_the_kernel(detector_ramp):
    data = point()
    data[0, 0, 10, 12] = np.nan
    result = Ipc()(detector_ramp(data), ipc=reference(np.ones((5, 5)))).data[0, 0]
    assert np.isnan(result[8:13, 10:15]).all()
    assert np.isnan(result).sum() == 25


@pytest.mark.parametrize("size", [SHAPE, (40, 40)])
def test_a_kernel_for_each_pixel(detector_ramp, size):
    """The kernel of the pixel that receives counts; it may cover the full frame."""
    kernel = np.zeros((3, 3, *size))
    kernel[1, 1] = 1
    kernel[1, 2] = np.arange(size[1])
    start = (0, 0) if size == SHAPE else (20, 8)
    ramp = detector_ramp(point(), size=(40, 40), start=start if size != SHAPE else (20, 8))
    result = Ipc()(ramp, ipc=reference(kernel)).data[0, 0]
    assert result[10, 13] == 13 + (8 if size != SHAPE else 0)


@pytest.mark.parametrize("shape", [(2, 3), (3, 4), (3, 3, 3), (3, 3, 5, 5)])
def test_kernels_that_fit_nothing(detector_ramp, shape):
    with pytest.raises(ReferenceInvalid, match="IPC kernel has shape"):
        Ipc()(detector_ramp(point()), ipc=reference(np.ones(shape)))


class TestContract(StepContract):
    @pytest.fixture(autouse=True)
    def given(self, detector_ramp, rng):
        self.ramp = detector_ramp(rng.uniform(0, 1000, (1, 2, *SHAPE)))

    def case(self):
        kernel = np.random.default_rng(1).random((3, 3))
        return Case(Ipc(), self.ramp, {"ipc": reference(kernel)})


class TestContractOfALargeKernel(TestContract):
    def case(self):
        kernel = np.random.default_rng(1).random((5, 3))
        return Case(Ipc(), self.ramp, {"ipc": reference(kernel)})
