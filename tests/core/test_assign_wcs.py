"""assign_wcs: which header values make the transform, and what it writes."""

import numpy as np
import pytest
from astropy.modeling.models import Scale, Shift

from calcore.errors import BadParameter, KeywordMissing
from calcore.model import Image, Meta
from calcore.model.reference import Distortion, FilterOffset
from calcore.steps.calibration.assign_wcs import AssignWcs, offset_of
from calcore.testing import Case, StepContract

SHAPE = (32, 40)
META = {
    "wcsinfo.ra_ref": 10.0,
    "wcsinfo.dec_ref": 20.0,
    "wcsinfo.roll_ref": 0.0,
    "wcsinfo.v2_ref": 100.0,
    "wcsinfo.v3_ref": -50.0,
    "subarray.xstart": 1,
    "subarray.ystart": 1,
    "instrument.filter": "F1",
    "instrument.pupil": "CLEAR",
}
FILTERS = [
    {"filter": "F2", "pupil": "CLEAR", "column_offset": 9.0, "row_offset": 9.0},
    {"filter": "F1", "pupil": "OTHER", "column_offset": 8.0, "row_offset": 8.0},
    {"filter": "F1", "pupil": "CLEAR", "column_offset": 2.0, "row_offset": -1.0},
]


def image(n_int=0, **changes):
    shape = (n_int, *SHAPE) if n_int else SHAPE
    return Image(
        meta=Meta({**META, **changes}),
        data=np.ones(shape, np.float32),
        err=np.ones(shape, np.float32),
        dq=np.zeros(shape, np.uint32),
    )


def distortion():
    model = Shift(-19.5) & Shift(-15.5) | Scale(0.1) & Scale(0.1) | Shift(100.0) & Shift(-50.0)
    return Distortion(meta=Meta({}), model=model)


class TestAssignWcs(StepContract):
    def case(self):
        return Case(AssignWcs(), image(), {"distortion": distortion()})


def test_middle_of_the_frame_sees_the_reference_point():
    result = AssignWcs()(image(), distortion=distortion())
    np.testing.assert_allclose(result.wcs(19.5, 15.5), (10.0, 20.0), atol=1e-12)
    assert result.meta["wcsinfo.crpix1"] == 20.5
    assert result.meta["wcsinfo.ctype1"] == "RA---TAN"  # nothing here is bent
    assert result.meta["wcsinfo.s_region"].startswith("POLYGON ICRS  ")


def test_integrations_share_one_transform():
    one = AssignWcs()(image(), distortion=distortion())
    many = AssignWcs()(image(n_int=3), distortion=distortion())
    assert dict(one.meta) == dict(many.meta)


def test_corner_of_the_sub_array_moves_the_transform():
    full = AssignWcs()(image(), distortion=distortion())
    corner = {"subarray.xstart": 6, "subarray.ystart": 4}
    part = AssignWcs()(image(**corner), distortion=distortion())
    np.testing.assert_allclose(part.wcs(0.0, 0.0), full.wcs(5.0, 3.0), atol=1e-12)


def test_filter_offset_is_that_of_filter_and_pupil():
    offsets = FilterOffset(meta=Meta({}), filters=FILTERS)
    plain = AssignWcs()(image(), distortion=distortion())
    moved = AssignWcs()(image(), distortion=distortion(), filter_offset=offsets)
    np.testing.assert_allclose(moved.wcs(10.0, 10.0), plain.wcs(12.0, 9.0), atol=1e-12)
    assert offset_of(Meta({"instrument.filter": "F9"}), offsets) == (0.0, 0.0)
    any_pupil = FilterOffset(
        meta=Meta({}), filters=[{**FILTERS[2], "filter": "F3", "pupil": "N/A"}]
    )
    assert offset_of(Meta({"instrument.filter": "F3"}), any_pupil) == (2.0, -1.0)


def test_reference_pixel_of_the_header_is_kept_and_old_terms_go():
    old = {"wcsinfo.crpix1": 3.0, "wcsinfo.crpix2": 4.0, "wcsinfo.pc1_1": -1.0}
    old |= {"wcsinfo.cdelt1": 1e-5, "wcsinfo.a_4_0": 1.0}
    result = AssignWcs()(image(**old), distortion=distortion())
    assert result.meta["wcsinfo.crpix1"] == 3.0
    for name in ("wcsinfo.pc1_1", "wcsinfo.cdelt1", "wcsinfo.a_4_0"):
        assert name not in result.meta
    sky = result.meta["wcsinfo.crval1"], result.meta["wcsinfo.crval2"]
    np.testing.assert_allclose(sky, result.wcs(2.0, 3.0), atol=1e-9)


def test_approximation_can_be_left_out():
    result = AssignWcs(sip_approx=False)(image(), distortion=distortion())
    assert "wcsinfo.crpix1" not in result.meta
    assert "wcsinfo.s_region" in result.meta


def test_missing_pointing_is_named():
    with pytest.raises(KeywordMissing, match=r"wcsinfo\.ra_ref"):
        AssignWcs()(image(**{"wcsinfo.ra_ref": None}), distortion=distortion())


def test_degree_out_of_range_is_refused():
    with pytest.raises(BadParameter, match="sip_degree is 7"):
        AssignWcs(sip_degree=7)
