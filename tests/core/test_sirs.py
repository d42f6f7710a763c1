"""Levels of lines by the kernels that are best for a detector's side reference pixels."""

from dataclasses import replace

import numpy as np
import pytest

from calcore.errors import ReferenceInvalid
from calcore.flags import DQ
from calcore.kernels.sirs import amplifier_levels, line_kernels
from calcore.model import Meta
from calcore.model.readout import Readout
from calcore.model.reference import SirsKernel
from calcore.steps.detector.refpix import RefPix
from calcore.testing.contract import Case, StepContract

N = 65
"""Frequencies of kernels over 128 lines."""


def weights(lines, values):
    """Return the weights of a kernel that is not 0 at these shifts alone, of one amplifier."""
    kernel = np.zeros(2 * (N - 1))
    kernel[lines] = values
    return np.fft.rfft(kernel)[None]


def ends(rng, lines=100, groups=2):
    """Drifts that both ends see, and read noise."""
    drift = np.cumsum(rng.normal(0, 1, (1, groups, lines, 1)), axis=2)
    good = np.ones((lines, 4), bool)
    return [(drift + rng.normal(0, 0.1, (1, groups, lines, 4)), good) for _ in range(2)]


def test_a_kernel_is_the_fourier_transform_of_its_weights():
    kernel = line_kernels(weights([0, 1, -2, 40], [0.5, 0.2, 0.1, 9.0]), 3, 0.0)
    np.testing.assert_allclose(kernel, [[0, 0.1, 0, 0.5, 0.2, 0, 0]], atol=1e-12)


def test_smoothing_keeps_the_sum_of_a_narrow_kernel():
    sharp = weights([0, 1], [0.5, 0.3])
    for smoothing in (1.0, 2.0):
        kernel = line_kernels(sharp, 30, smoothing)[0]
        np.testing.assert_allclose(kernel.sum(), 0.8, rtol=1e-6)
        place = np.arange(-30, 31)
        middle = (kernel * place).sum() / kernel.sum()
        np.testing.assert_allclose(middle, 0.375, atol=1e-6)
        spread = (kernel * (place - middle) ** 2).sum() / kernel.sum()
        np.testing.assert_allclose(spread, smoothing**2 + 0.375 * 0.625, rtol=0.02)


def test_lines_take_the_lines_before_them():
    """A weight at shift 2 takes the drift of two lines earlier, as the read-out counts them."""
    values = np.zeros((1, 1, 30, 4))
    values[0, 0] = np.arange(30.0)[:, None]
    good = np.ones((30, 4), bool)
    kernel = line_kernels(weights([2], [1.0]), 5, 0.0)
    levels = amplifier_levels([(values, good)], [kernel], np.inf)[0, 0, 0]
    np.testing.assert_allclose(levels[2:], np.arange(28.0), atol=1e-9)


def test_levels_scale_with_signal_and_weights(rng):
    sides = ends(rng)
    kernels = [line_kernels(weights([0, 1], [0.4, 0.2]), 10, 1.0)] * 2
    levels = amplifier_levels(sides, kernels, 4.0)
    doubled = amplifier_levels([(2 * values, good) for values, good in sides], kernels, 4.0)
    np.testing.assert_allclose(doubled, 2 * levels, rtol=1e-12)
    halved = amplifier_levels(sides, [0.5 * kernel for kernel in kernels], 4.0)
    np.testing.assert_allclose(halved, levels / 2, rtol=1e-12)
    one_by_one = sum(
        amplifier_levels([side], [kernel], 4.0) for side, kernel in zip(sides, kernels, strict=True)
    )
    np.testing.assert_allclose(one_by_one, levels, rtol=1e-12)


def test_outliers_flagged_pixels_and_nan_are_made_up_for(rng):
    sides = ends(rng)
    kernels = [line_kernels(weights([0], [0.5]), 10, 2.0)] * 2
    clean = amplifier_levels(sides, kernels, 8.0)
    values, good = sides[0]
    values[0, 0, 50, 1] += 1e4
    values[0, 0, 60, 2] = np.nan
    values[0, 0, 70, 3] -= 1e4
    good[70, 3] = False
    np.testing.assert_allclose(amplifier_levels(sides, kernels, 8.0), clean, atol=0.1)


def test_a_line_without_a_good_pixel_within_reach_has_no_level(rng):
    (values, good), _ = ends(rng)
    good[20:60] = False
    kernel = line_kernels(weights([0], [1.0]), 5, 2.0)
    levels = amplifier_levels([(values, good)], [kernel], np.inf)[0, 0, 0]
    assert np.all(levels[25:55] == 0)
    assert np.all(levels[:25] != 0)
    assert np.all(levels[55:] != 0)
    nothing = amplifier_levels([(values, np.zeros_like(good))], [kernel], np.inf)
    assert np.all(nothing == 0)


def border(shape=(64, 64)):
    result = np.full(shape, int(DQ.REFERENCE_PIXEL), np.uint32)
    result[4:-4, 4:-4] = 0
    return result


def reference(share=(0.25, 0.5, 0.75, 1.0)):
    """Kernels by which each amplifier takes a share of the start of lines, the rest of their end."""
    one = np.ones(N, np.complex64)
    gamma = np.array([part * one for part in share])
    return SirsKernel(meta=Meta({}), weights={"detector": {"gamma": gamma, "zeta": 1 - gamma}})


@pytest.mark.parametrize("axes", [(1, 2), (-1, 2), (1, -2), (2, 1), (-2, -1), (-2, 1)])
def test_each_amplifier_has_its_own_mixture(detector_ramp, axes):
    lines = np.where((np.arange(64) > 20) & (np.arange(64) < 40), 8.0, 0.0)[:, None]
    data = np.zeros((1, 1, 64, 64))
    data[0, 0, :, :4], data[0, 0, :, -4:] = lines, 2 * lines
    # Without a spread, all that differs from the median would be an outlier.
    data[0, 0] += 1e-6 * np.arange(64)[:, None]
    fast, slow = axes
    turned = data[..., :: 1 if slow > 0 else -1, :: 1 if fast > 0 else -1]
    turned = turned.swapaxes(-1, -2) if abs(fast) == 2 else turned
    ramp = detector_ramp(turned, axes=axes, pixeldq=border(), instrument__detector="DETECTOR")
    step = RefPix(refpix_algorithm="sirs", gaussmooth=0.0, sigreject=1e9, halfwidth=3)
    result = Readout.of(ramp.meta, ramp.frame).turn(step(ramp, sirskernel=reference()).data)
    inner = result[0, 0, 30, [10, 20, 40, 50]]
    np.testing.assert_allclose(inner, [-14, -12, -10, -8], atol=1e-3)


def test_flagged_ends_count_if_asked_for(detector_ramp, rng):
    data = rng.normal(0, 1, (1, 1, 64, 64))
    pixeldq = border()
    pixeldq[:, -4:] |= np.uint32(DQ.DO_NOT_USE)
    ramp = detector_ramp(data, pixeldq=pixeldq, instrument__detector="DETECTOR")
    half = reference((0.5,) * 4)
    left = RefPix(refpix_algorithm="sirs")(ramp, sirskernel=half)
    both = RefPix(refpix_algorithm="sirs", flagged_sides=True)(ramp, sirskernel=half)
    assert np.any(left.data != both.data)


def test_kernels_are_for_full_frames_of_their_detector(detector_ramp, rng):
    data = rng.normal(0, 1, (1, 1, 64, 64))
    ramp = detector_ramp(data, pixeldq=border(), instrument__detector="OTHER")
    step = RefPix(refpix_algorithm="sirs")
    np.testing.assert_array_equal(step(ramp, sirskernel=reference()).data, RefPix()(ramp).data)
    part = detector_ramp(data, pixeldq=border(), size=(256, 64), instrument__detector="DETECTOR")
    np.testing.assert_array_equal(step(part, sirskernel=reference()).data, RefPix()(part).data)
    whole_lines = replace(step, kernels_of_parts=True)(part, sirskernel=reference())
    assert np.any(whole_lines.data != RefPix()(part).data)


def test_kernels_are_looked_up_only_where_they_are_used(detector_ramp):
    meta = detector_ramp(np.zeros((1, 1, 64, 64))).meta
    assert RefPix().wanted(meta) == frozenset()
    assert RefPix(refpix_algorithm="sirs").wanted(meta) == {"sirskernel"}
    assert RefPix(refpix_algorithm="sirs", use_side_ref_pixels=False).wanted(meta) == frozenset()
    part = detector_ramp(np.zeros((1, 1, 64, 64)), size=(256, 64)).meta
    assert RefPix(refpix_algorithm="sirs").wanted(part) == frozenset()
    assert RefPix(refpix_algorithm="sirs", kernels_of_parts=True).wanted(part) == {"sirskernel"}
    cut = detector_ramp(np.zeros((1, 1, 64, 64)), size=(64, 256)).meta
    assert RefPix(refpix_algorithm="sirs", kernels_of_parts=True).wanted(cut) == frozenset()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"gamma": np.ones((3, N)), "zeta": np.ones((4, N))}, r"gamma of DETECTOR .* \(3, 65\)"),
        ({"gamma": np.ones((4, N))}, r"zeta of DETECTOR has the shape \(\)"),
        ({"gamma": np.ones((4, 9)), "zeta": np.ones((4, 9))}, "at least 31 frequencies"),
        ([1, 2], "gamma of DETECTOR"),
        (
            {"gamma": np.ones((4, N)), "zeta": np.full((4, N), np.nan)},
            "zeta of DETECTOR has weights that are no numbers",
        ),
        ({"gamma": "x", "zeta": "y"}, "gamma of DETECTOR"),
    ],
)
def test_weights_that_do_not_fit_are_refused(detector_ramp, entry, said):
    ramp = detector_ramp(
        np.zeros((1, 1, 64, 64)), pixeldq=border(), instrument__detector="DETECTOR"
    )
    wrong = SirsKernel(meta=Meta({}), weights={"detector": entry})
    with pytest.raises(ReferenceInvalid, match=said):
        RefPix(refpix_algorithm="sirs")(ramp, sirskernel=wrong)


class TestKernelsContract(StepContract):
    @pytest.fixture(autouse=True)
    def given(self, detector_ramp, rng):
        data = rng.normal(30, 5, (2, 3, 64, 64))
        self.ramp = detector_ramp(
            data, zeroframe=data[:, 0], pixeldq=border(), instrument__detector="DETECTOR"
        )

    def case(self):
        return Case(RefPix(refpix_algorithm="sirs"), self.ramp, {"sirskernel": reference()})
