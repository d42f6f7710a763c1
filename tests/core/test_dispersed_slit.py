"""World coordinates of slits, and of the part of a frame that has any."""

import numpy as np
import pytest

from calcore.testing.spectra import MARGIN, SHAPE, a_nod, a_slit
from calcore.wcs.pointing import ideal_offset
from calcore.wcs.within import box_of, within_box


def test_trace_leans_but_a_point_of_the_slit_stays_one():
    wcs = a_slit().wcs
    last = SHAPE[0] - MARGIN - 1
    low, high = wcs(15.0, float(MARGIN)), wcs(16.5, float(last))
    assert low[:2] == pytest.approx(high[:2], abs=1e-10)
    assert (low[2], high[2]) == pytest.approx((14, 5))


def test_pixels_are_found_back():
    wcs = a_slit().wcs
    for pixel in ((10.0, 12.0), (20.5, 30.25)):
        assert wcs.invert(*wcs(*pixel), with_bounding_box=False) == pytest.approx(pixel, abs=1e-6)


def test_rows_beyond_the_trace_have_no_wavelength():
    slit = a_slit((3, *SHAPE))
    lit = np.isfinite(slit.wavelength)
    inside = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert slit.wavelength.shape == SHAPE
    assert lit[inside].all()
    assert lit.sum() == lit[inside].size
    assert (np.diff(slit.wavelength[inside], axis=0) < 0).all()


def test_only_pixels_whose_centre_is_in_the_box_are_evaluated():
    wcs = a_slit().wcs
    wcs.bounding_box = (4.2, 10.0), (5.0, 6.9)
    assert box_of(wcs, SHAPE) == (slice(5, 7), slice(5, 11))
    assert box_of(wcs, (6, 8)) == (slice(5, 6), slice(5, 8))
    found = within_box(wcs, SHAPE)
    np.testing.assert_array_equal(np.argwhere(np.isfinite(found[2]))[[0, -1]], [[5, 5], [6, 10]])
    assert found[:, 5, 7] == pytest.approx(wcs(7, 5))


def test_a_nod_moves_the_slit_and_not_the_source():
    first, second, _ = a_nod().members
    row = 24
    peak = [int(np.nanargmax(member.data[row])) for member in (first, second)]
    assert peak[1] - peak[0] == 4
    at = [np.array(m.wcs(p, row)) for m, p in zip((first, second), peak, strict=True)]
    np.testing.assert_allclose(at[0], at[1], atol=2e-6)


def test_offsets_turn_with_the_aperture():
    assert ideal_offset(1, 0, angle_deg=0, parity=-1) == pytest.approx((-1, 0))
    assert ideal_offset(1, 2, angle_deg=90, parity=1) == pytest.approx((2, -1))
    assert np.hypot(*ideal_offset(3, 4, angle_deg=33, parity=-1)) == pytest.approx(5)
