"""What sums over circles have in common, held against sums over fine grids."""

import numpy as np
import pytest

from calcore.kernels.common_noise import lens, overlap

STEP = 0.02
X, Y = np.meshgrid(*[np.arange(-8, 8, STEP)] * 2)


def weights(radius, ring, x):
    apart = np.hypot(X - x, Y)
    inside = (apart < radius).astype(float)
    if ring is not None:
        around = (apart < ring[1]) & (apart >= ring[0])
        inside -= inside.sum() / around.sum() * around
    return inside


def one(values):
    return None if values is None else tuple(np.array([value]) for value in values)


def test_circles_that_hold_each_other_cross_touch_and_do_not():
    small, large = np.array([1.0]), np.array([3.0])
    for apart, area in ((0.0, np.pi), (2.0, np.pi), (4.0, 0.0), (9.0, 0.0)):
        assert lens(small, large, apart) == pytest.approx(area, abs=1e-9)
    # Of two unit circles that go through each other's centre; a textbook's lens.
    assert lens(small, small, 1.0) == pytest.approx(2 * np.pi / 3 - np.sqrt(3) / 2)
    assert lens(np.zeros(1), large, 1.0) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("ring", [None, (2.5, 4.0), (2.0, 3.5)])
@pytest.mark.parametrize("apart", [0.0, 0.3, 1.4, 3.0, 5.0])
def test_overlap_is_that_of_fine_grids(ring, apart):
    fine = (weights(2.0, ring, -apart / 2) * weights(2.0, ring, apart / 2)).sum() * STEP**2
    assert overlap(np.array([2.0]), one(ring), apart) == pytest.approx(fine, abs=0.02)


def test_overlap_scales_as_areas_and_is_one_for_each_plane():
    radii, ring = np.array([1.0, 2.0]), (np.array([2.0, 4.0]), np.array([3.0, 6.0]))
    found = overlap(radii, ring, np.array([1.2, 2.4]))
    assert found[1] == pytest.approx(4 * found[0])
