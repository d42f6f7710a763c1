"""Flicker noise of sub-arrays, piece by piece."""

import numpy as np
import pytest

from calcore.kernels.nsclean_pieces import _pieces, pieces_frequencies

PAUSE = 12


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def wave(lines, width, turns, size=None):
    """A wave that runs through all lines, and the pauses after them."""
    place = np.arange(lines)[:, None] * (width + PAUSE) + np.arange(width)
    return np.cos(2 * np.pi * turns * place / (size or lines * (width + PAUSE))).astype(np.float32)


@pytest.mark.parametrize("turns", [0, 1, 4, 7])
def test_slow_waves_of_one_piece_are_found(rng, turns):
    image = 3 * wave(9, 64, turns)
    good = rng.random(image.shape) > 0.2
    lit = np.where(good, image, np.float32(900))
    # Nearly: waves and their mirror images overlap where pixels are lit, and are fitted apart.
    atol = 0.3 if turns else 2e-5
    np.testing.assert_allclose(pieces_frequencies(lit, good), image, atol=atol)


def test_fast_waves_are_no_flicker_but_that_of_two_pixels():
    good = np.ones((9, 64), bool)
    assert np.abs(pieces_frequencies(wave(9, 64, 100), good)).max() < 0.15
    alternating = wave(9, 64, 342)
    np.testing.assert_allclose(pieces_frequencies(alternating, good), alternating, atol=1e-5)


def test_a_level_is_a_level_in_all_pieces(rng):
    good = rng.random((60, 40)) > 0.3
    image = np.full(good.shape, 7, np.float32)
    np.testing.assert_allclose(pieces_frequencies(image, good), 7, atol=1e-4)


def test_noise_scales_and_adds(rng):
    one, other = rng.uniform(-1, 1, (2, 40, 48)).astype(np.float32)
    good = rng.random(one.shape) > 0.1
    found = pieces_frequencies(one, good) + 2 * pieces_frequencies(other, good)
    np.testing.assert_allclose(pieces_frequencies(one + 2 * other, good), found, atol=1e-5)


def test_outliers_and_what_is_beside_them_do_not_count(rng):
    image = rng.uniform(-1, 1, (20, 64)).astype(np.float32)
    good = np.ones(image.shape, bool)
    hit, without = image.copy(), good.copy()
    hit[10, 30] = 500
    without[9:12, 30] = without[10, 29:32] = False
    np.testing.assert_array_equal(pieces_frequencies(hit, good), pieces_frequencies(image, without))


def test_hardly_any_unlit_pixel_tells_nothing(rng):
    image = rng.normal(0, 1, (20, 64)).astype(np.float32)
    good = np.zeros(image.shape, bool)
    assert not pieces_frequencies(image, good).any()
    good[::5, ::6] = True
    assert not pieces_frequencies(image, good).any()
    gap = np.ones(image.shape, bool)
    gap[5:18] = False
    assert np.isfinite(pieces_frequencies(image, gap)).all()


@pytest.mark.parametrize(("unlit", "wanted"), [
    ([64] * 33, [(0, 9), (4, 13), (8, 17), (12, 21), (16, 25), (20, 29), (24, 33)]),
    ([64] * 12, [(0, 12)]),
    ([300] * 4, [(0, 2), (1, 3), (2, 4)]),
    ([1000] * 3, [(0, 1), (1, 2), (2, 3)]),
    ([0] * 5, [(0, 5)]),
])  # fmt: skip
def test_pieces_overlap_by_half(unlit, wanted):
    assert [(one.start, one.stop) for one in _pieces(np.array(unlit))] == wanted
