"""The ready exposures and references of the kit."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.model import Group, Image
from calcore.model.reference import Dark, Flat, Gain, Linearity, Rscd
from calcore.steps.detector.dark_current import DarkCurrent
from calcore.steps.detector.gain_scale import GainScale
from calcore.testing import a_case, a_group, a_mosaic, a_ramp, a_rate, a_reference, an_image


def test_the_same_seed_gives_the_same_ramps_and_another_others():
    np.testing.assert_array_equal(a_ramp().data, a_ramp().data)
    assert (a_ramp().data != a_ramp(seed=2).data).any()


def test_ramps_rise_with_the_scene_and_have_the_usual_trouble():
    ramp = a_ramp((1, 6, 40, 40), hits=0)
    science = ramp.pixeldq == 0
    rise = np.diff(ramp.data, axis=1)[0][:, science]
    assert np.median(rise) == pytest.approx(10.0, rel=0.2)
    assert (ramp.pixeldq & DQ.REFERENCE_PIXEL != 0).sum() == 40 * 40 - 32 * 32
    assert ramp.groupdq[0, 2:, 20, 20].all()
    assert not ramp.groupdq[0, :2].any()
    hit = a_ramp((1, 6, 40, 40), hits=5)
    assert (np.abs(hit.data - ramp.data)[0, 5] > 150).sum() >= 1


def test_metadata_may_be_added():
    ramp = a_ramp((1, 3, 16, 16), exposure__group_time=20.0)
    assert ramp.meta.group_time_s == 20.0
    assert (ramp.meta.n_integrations, ramp.meta.n_groups) == (1, 3)


@pytest.mark.parametrize("shape", [(16, 20), (3, 16, 20)])
def test_images_have_errors_that_tell_their_scatter(shape):
    image = an_image(shape)
    assert image.data.shape == image.err.shape == shape
    np.testing.assert_allclose(image.err**2, image.var_poisson + image.var_rnoise, rtol=1e-5)
    assert np.isnan(image.data).any()
    assert a_rate(shape).meta["bunit_data"] == "DN/s"


def test_images_have_world_coordinates_and_give_a_mosaic():
    image = an_image((3, 16, 20))
    assert [float(angle) for angle in image.wcs(9.5, 7.5)] == pytest.approx([10.0, 20.0])
    mosaic = a_mosaic()
    assert mosaic.data.shape == pytest.approx((32, 40), abs=2)
    assert np.nanmedian(mosaic.data) == pytest.approx(1.0, abs=0.2)


def test_a_group_is_put_in_the_order_of_time_and_back():
    group = a_group(3)
    begun = [image.meta["exposure.start_time"] for _, image in group.in_time_order()]
    assert begun == sorted(begun)
    assert [place for place, _ in group.in_time_order()] == [2, 1, 0]
    segments = [
        an_image((16, 16), exposure__integration_start=start, filename=f"{start}.fits")
        for start in (11, 1)
    ]
    ordered = Group[Image]("product", tuple(segments)).in_time_order()
    assert [image.meta["filename"] for _, image in ordered] == ["1.fits", "11.fits"]


def test_references_have_the_size_of_the_exposure_and_usual_values():
    ramp = a_ramp((2, 5, 16, 24))
    assert a_reference(Gain, ramp).data.shape == (16, 24)
    assert float(a_reference(Flat, ramp).data[0, 0]) == pytest.approx(0.9)
    assert a_reference(Dark, ramp).data.shape == (5, 16, 24)
    assert a_reference(Dark, ramp).dq.dtype == np.uint32
    np.testing.assert_array_equal(a_reference(Linearity, ramp).coefficients[:, 3, 3], [0, 1, 0])
    assert float(a_reference(Gain, ramp, data=np.full((16, 24), 7, "f4")).data[0, 0]) == 7


def test_a_table_cannot_be_made_up():
    with pytest.raises(ValueError, match=r"type rscd cannot be made up: it needs table; give"):
        a_reference(Rscd)


@pytest.mark.parametrize("kind", [DarkCurrent, GainScale])
def test_a_case_for_a_step_is_made_from_its_signature(kind):
    case = a_case(kind)
    assert isinstance(case.step, kind)
    assert case.flow.data.ndim in {2, 4}
