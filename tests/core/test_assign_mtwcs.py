import runpy
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from calcore.errors import StepSkipped
from calcore.steps.combination.assign_mtwcs import AssignMTWcs
from calcore.steps.combination.resample import Resample
from calcore.testing import StepContract
from calcore.testing.cases import assign_mtwcs
from calcore.wcs.moving import following, mean_place

STARS = runpy.run_path(str(Path(__file__).parents[1] / "star_field.py"))
star_field, make_wcs, SCALE = STARS["star_field"], STARS["make_wcs"], STARS["SCALE"]
STEP_RA, STEP_DEC = 0.9 / 3600, -0.5 / 3600
START = 0.0005, -69.3003


class TestAssignMTWcsContract(StepContract):
    def case(self):
        return assign_mtwcs()


def places(number):
    return {"wcsinfo.mt_ra": (START[0] - number * STEP_RA / np.cos(np.deg2rad(START[1]))) % 360,
            "wcsinfo.mt_dec": START[1] + number * STEP_DEC}  # fmt: skip


@pytest.fixture(scope="module")
def comet():
    """Four exposures of faint stars and a bright target that crosses RA 0, ten pixels in each."""
    group = star_field(bad=False, noise=0.01, stars=6, sky=(0.0,), more=places).group
    members = []
    for member in group.members:
        x, y = member.wcs.invert(
            member.meta["wcsinfo.mt_ra"], member.meta["wcsinfo.mt_dec"], with_bounding_box=False
        )
        rows, columns = np.indices(member.data.shape)
        light = 400 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.2**2))
        members.append(member.replace(data=(member.data + light).astype("f4")))
    return group.with_members(members)


@pytest.mark.parametrize("movement", ["shift", "rotation"])
def test_a_mosaic_has_the_target_in_one_place_and_as_sharp_as_an_exposure(comet, movement):
    followed = AssignMTWcs(movement=movement)(comet)
    mosaic = Resample()(followed)
    mean = mosaic.meta["wcsinfo.mt_avra"], mosaic.meta["wcsinfo.mt_avdec"]
    metas = [member.meta for member in comet.members]
    assert mean[1] == pytest.approx(np.mean([meta["wcsinfo.mt_dec"] for meta in metas]), abs=1e-12)
    x, y = (float(value) for value in mosaic.wcs.invert(*mean, with_bounding_box=False))
    rows, columns = np.indices(mosaic.data.shape)
    data = np.where(np.hypot(columns - x, rows - y) < 6, np.nan_to_num(mosaic.data), 0)
    assert (data * columns).sum() / data.sum() == pytest.approx(x, abs=0.02)
    assert (data * rows).sum() / data.sum() == pytest.approx(y, abs=0.02)
    wide = (data * ((columns - x) ** 2 + (rows - y) ** 2)).sum() / data.sum() / 2
    assert wide == pytest.approx(1.2**2 + 2 / 12, abs=0.05)  # a pixel and a drop have a twelfth
    # Without it the target is a trail, and nowhere half as bright.
    assert np.nanmax(Resample()(comet).data) < 0.5 * np.nanmax(mosaic.data)


def test_header_and_coordinates_say_the_same(comet):
    before = [member.wcs.available_frames for member in comet.members]
    followed = AssignMTWcs(movement="rotation")(comet)
    assert [member.wcs.available_frames for member in comet.members] == before
    for member in followed.members:
        assert member.wcs.available_frames[-2:] == ["world", "moving_target"]
        ra, dec = member.wcs(0.0, 0.0)
        corner = [float(value) for value in member.meta["wcsinfo.s_region"].split()[2:4]]
        assert corner == pytest.approx(member.wcs(-0.5, -0.5), abs=1e-8)
        assert member.wcs.invert(ra, dec) == pytest.approx((0.0, 0.0), abs=1e-5)
        assert 0 <= float(ra) < 360
        middle = member.meta["wcsinfo.crpix1"] - 1, member.meta["wcsinfo.crpix2"] - 1
        there = member.meta["wcsinfo.crval1"], member.meta["wcsinfo.crval2"]
        assert there == pytest.approx(member.wcs(*middle), abs=1e-8)
    again = AssignMTWcs(movement="rotation")(followed)
    assert again.members[1].wcs.available_frames == followed.members[1].wcs.available_frames
    assert again.members[1].wcs(9.0, 7.0) == pytest.approx(followed.members[1].wcs(9.0, 7.0))


def test_the_projection_can_be_left_as_it_was(comet):
    followed = AssignMTWcs(sip_approx=False)(comet)
    assert "wcsinfo.crval1" not in followed.members[0].meta
    assert "wcsinfo.s_region" in followed.members[0].meta


def test_the_mean_of_places_on_both_sides_of_ra_0():
    assert mean_place([(359.9, 1.0), (0.3, 2.0)]) == pytest.approx((0.1, 1.5), abs=1e-12)
    assert mean_place([(10.0, 1.0), (11.0, 2.0)]) == (10.5, 1.5)


@pytest.mark.parametrize("place", [(10.0, 20.0), (359.999, -69.0), (120.0, 89.99)])
def test_a_rotation_keeps_distances_and_directions_around_the_target(place):
    wcs = make_wcs((100, 100), *place, roll=31.0)
    mean = (place[0] + 0.02) % 360, place[1] - 0.008
    at, to = SkyCoord(*place, unit="deg"), SkyCoord(*mean, unit="deg")
    around = [at.directional_offset_by(angle * u.deg, 0.01 * u.deg) for angle in (0, 70, 200)]
    followed = following(wcs, place, mean, "rotation")
    x, y = wcs.invert([p.ra.deg for p in around], [p.dec.deg for p in around],
                      with_bounding_box=False)  # fmt: skip
    seen = SkyCoord(*followed(x, y, with_bounding_box=False), unit="deg")
    assert to.separation(seen).deg == pytest.approx(0.01, abs=1e-9)
    # Angles from the direction of the motion, before and after.
    ahead = at.position_angle(to).deg, to.position_angle(at).deg + 180
    turned = [to.position_angle(one).deg - ahead[1] for one in seen]
    assert np.mod(turned, 360) == pytest.approx(
        np.mod(np.array([0, 70, 200]) - ahead[0], 360), abs=1e-5
    )
    still = following(wcs, place, place, "rotation")
    here = SkyCoord(*wcs(x, y, with_bounding_box=False), unit="deg")
    assert (
        here.separation(SkyCoord(*still(x, y, with_bounding_box=False), unit="deg")).deg.max()
        < 1e-10
    )


def test_a_shift_moves_right_ascension_the_short_way():
    wcs = make_wcs((100, 100), 0.001, -69.0, roll=31.0)
    followed = following(wcs, (359.999, -69.0), (0.0005, -69.001), "shift")
    moved = np.array(followed(50.0, 50.0)) - np.array(wcs(50.0, 50.0))
    assert moved == pytest.approx([0.0015, -0.001], abs=1e-12)
    assert followed.bounding_box == wcs.bounding_box


def test_without_the_target_s_places_nothing_is_done(comet):
    first = comet.members[0]
    blind = first.replace(meta=first.meta.set({"wcsinfo.mt_dec": None}))
    with pytest.raises(StepSkipped, match=r"do not say where the target was in jw.*_00001_cam_cal"):
        AssignMTWcs()(comet.with_members([blind, *comet.members[1:]]))
