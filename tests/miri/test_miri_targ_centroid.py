"""Where in the slit the acquisition image shows the target."""

import numpy as np
import pytest

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.kernels.gaussian_fit import gaussian_centre
from calcore.model import Meta
from calcore.model.reference import FilterOffset
from calcore.testing import Case, StepContract, an_image
from calcore.testing.spectra import a_slit
from calcore_miri.steps.targ_centroid import TargCentroid

SHAPE = (48, 40)
OFFSETS = [{"filter": "F560W", "pupil": "N/A", "column_offset": -0.08, "row_offset": -0.06}]


def star(x, y, *, wide=(1.2, 0.9), height=500.0, tilt=0.0):
    row, column = np.mgrid[: SHAPE[0], : SHAPE[1]]
    exponent = ((column - x) / wide[0]) ** 2 + ((row - y) / wide[1]) ** 2
    return (height * np.exp(-exponent / 2) + 3 + tilt * column).astype(np.float32)


def acquisition(x=19.9, y=23.1, **more):
    image = an_image(SHAPE, target__ra=10.0, target__dec=20.0, instrument__filter="F560W", **more)
    return image.replace(data=star(x, y), dq=np.zeros(SHAPE, np.uint32))


def given(*images):
    return {
        "filter_offset": FilterOffset(meta=Meta({}), filters=OFFSETS),
        "acquisitions": images or (acquisition(),),
    }


class TestTargCentroid(StepContract):
    def case(self):
        return Case(TargCentroid(), a_slit(), given())


def test_measured_place_and_what_the_filter_shifts_it():
    meta = TargCentroid()(a_slit(), **given()).meta
    assert (meta["slit.ta_xpos"], meta["slit.ta_ypos"]) == pytest.approx((19.9, 23.1), abs=1e-3)
    found = meta["slit.source_xpos"], meta["slit.source_ypos"]
    assert found == pytest.approx((19.82, 23.04), abs=1e-3)


def test_sub_arrays_and_dithers():
    slit = a_slit(subarray__xstart=3)
    ra, dec, _ = slit.wcs(16.5, 24.0)
    (at, on, _) = slit.wcs(13.5, 24.0)
    places = {"dither.dithered_ra": ra, "dither.dithered_dec": dec, "wcsinfo.ra_ref": at,
              "wcsinfo.dec_ref": on}  # fmt: skip
    slit = slit.replace(meta=slit.meta.set(places))
    image = acquisition(subarray__xstart=5, subarray__ystart=2)
    meta = TargCentroid()(slit, **given(image)).meta
    found = meta["slit.source_xpos"], meta["slit.source_ypos"]
    assert found == pytest.approx((19.82 + 2 + 3, 23.04 + 1), abs=2e-3)


def test_bad_pixels_and_a_sloping_sky_do_no_harm():
    image = acquisition()
    data, dq = star(19.9, 23.1, tilt=2.0), image.dq.copy()
    data[22, 21], data[24, 19] = np.nan, 1e5
    dq[24, 19] = DQ.DO_NOT_USE
    meta = TargCentroid()(a_slit(), **given(image.replace(data=data, dq=dq))).meta
    assert (meta["slit.ta_xpos"], meta["slit.ta_ypos"]) == pytest.approx((19.9, 23.1), abs=1e-2)


def test_no_image_or_no_source():
    with pytest.raises(StepSkipped, match="there is no acquisition image"):
        TargCentroid()(a_slit())
    with pytest.raises(StepSkipped, match="no world coordinates"):
        TargCentroid()(a_slit(), **given(acquisition().replace(wcs=None)))
    flat = acquisition()
    flat = flat.replace(data=np.ones_like(flat.data))
    with pytest.raises(StepSkipped, match="no source is seen on the acquisition image within 10"):
        TargCentroid()(a_slit(), **given(flat))


def test_centres_move_with_the_source():
    for x, y in ((18.0, 20.3), (21.7, 24.5)):
        assert gaussian_centre(star(x, y, wide=(2.0, 1.0))) == pytest.approx((x, y), abs=1e-4)
    assert gaussian_centre(np.full((9, 9), np.nan, np.float32)) is None
