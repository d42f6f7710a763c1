"""Blends are looked for only where they may be, and all of them are found."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from photutils.segmentation import SourceFinder

from calcore.kernels.blends import may_be_blends
from calcore.kernels.sources import Search, segments


def gaussians(shape, places, fwhm=4.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for row, column, height in places:
        image += height * np.exp(-((y - row) ** 2 + (x - column) ** 2) * 2.77 / fwhm**2)
    return image.astype(np.float32)


def test_two_peaks_may_be_a_blend_if_both_are_large_before_they_join():
    image = gaussians((30, 60), [(15, 10, 10), (15, 16, 8), (15, 40, 10), (13, 48, 9)])
    labels = np.where(image > 0.5, 1 + (np.arange(60) > 28), 0).astype(np.int32)
    assert may_be_blends(image, labels, 5, 8).tolist() == [1, 2]
    assert may_be_blends(image, labels, 25, 8).tolist() == [2]
    assert may_be_blends(image, labels, 200, 8).size == 0
    corner = np.zeros((6, 6), np.float32)
    corner[:3, :3], corner[3:, 3:] = 2, 3  # one touches the other at a corner
    corner[2, 3] = 1
    touching = (corner > 0).astype(np.int32)
    assert may_be_blends(corner, touching, 4, 8).tolist() == [1]
    assert may_be_blends(corner, touching, 4, 4).tolist() == [1]
    corner[2, 3] = 0
    assert may_be_blends(corner, (corner > 0).astype(np.int32), 4, 4).size == 0


@pytest.mark.parametrize("connectivity", [4, 8])
def test_segments_are_those_of_a_search_of_all(connectivity):
    rng = np.random.default_rng(3)
    shape = (150, 160)
    places = np.column_stack([rng.uniform(0, 150, 90), rng.uniform(0, 160, 90),
                              10 ** rng.uniform(0, 2, 90)])  # fmt: skip
    image = gaussians(shape, places) + rng.normal(0, 0.2, shape).astype(np.float32)
    hidden = rng.random(shape) < 0.01
    search = Search(
        finder="segmentation", snr=3, box=50, fwhm=2, npixels=6, connectivity=connectivity
    )
    every = SourceFinder(6, connectivity=connectivity, n_levels=32, contrast=0.001)
    every.progress_bar = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of blends that cannot be parted
        expected = every(image, 3 * 0.2, mask=hidden)
    found = segments(image, 0.2, hidden, search)
    assert found is not None
    np.testing.assert_array_equal(found.data, expected.data)
    whole = segments(image, 0.2, hidden, replace(search, deblend=False))
    labels = np.asarray(whole.data, np.int32)
    blends = may_be_blends(image, labels, 6, connectivity)
    assert found.n_labels - whole.n_labels <= 3 * blends.size < whole.n_labels
    assert found.n_labels > whole.n_labels
