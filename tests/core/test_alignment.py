"""Alignment that is believed: residuals, movements, what is refused, and what is told of it."""

import logging
import re
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from gwcs import WCS

from calcore.errors import Doubtful, StepSkipped
from calcore.model import Group
from calcore.sky_catalogue import mean_year
from calcore.steps.combination.resample import Resample
from calcore.steps.combination.tweakreg import TweakReg
from calcore.wcs.agreement import meets, movement, outwards, residuals
from calcore.wcs.alignment import align
from calcore.wcs.pixel_phase import without_phase
from calcore.wcs.sightings import Sighting
from calcore.wcs.solution import Limits, solve, solve_by_majority

STARS = runpy.run_path(str(Path(__file__).parents[1] / "star_field.py"))
star_field, make_wcs, SCALE = STARS["star_field"], STARS["make_wcs"], STARS["SCALE"]
SHAPE = (150, 160)
STRICT = {
    "centroid": "windowed", "kernel_fwhm": 2.2, "rematch": 0.1, "unaligned": "leave_out",
    "max_shift": 2.0, "max_rotation": 0.2, "max_scale": 1e-3, "max_rms": 0.05,
}  # fmt: skip


def sightings(field, *, noise=0.0, seed=0):
    """What is seen of a field if stars are found exactly where they are, or nearly so."""
    rng = np.random.default_rng(seed)
    found = []
    for k, member in enumerate(field.group.members):
        x, y = field.x[k], field.y[k]
        inside = (x > 0) & (x < SHAPE[1] - 1) & (y > 0) & (y < SHAPE[0] - 1)
        x, y = (v[inside] + rng.normal(0, noise, inside.sum()) for v in (x, y))
        v2, v3, roll = (
            float(member.meta[f"wcsinfo.{n}"]) for n in ("v2_ref", "v3_ref", "roll_ref")
        )
        found.append(Sighting(name=f"image{k}", exposure=k, wcs=member.wcs, v2_arcsec=v2,
                              v3_arcsec=v3, roll_deg=roll, x=x, y=y))  # fmt: skip
    return found


def matching(**changes):
    return replace(TweakReg(rematch=0.1).matching, **changes)


def placed_at(field, members):
    """How far the stars of each exposure are from the truth, mean [arcsec]."""
    found = {}
    for member in members:
        k = int(re.search(r"_0000(\d)_cam", member.meta["filename"])[1]) - 1
        ra, dec = member.wcs(field.x[k], field.y[k], with_bounding_box=False)
        east = ((ra - field.ra + 180) % 360 - 180) * np.cos(np.radians(field.dec))
        found[k] = 3600 * np.hypot(east.mean(), (dec - field.dec).mean())
    return found


# Movements and residuals.


def test_a_movement_is_what_was_done_to_the_pointing():
    before = make_wcs(SHAPE, 0.001, -69.3, 31.0)
    still = movement([before], [before])
    assert still.shift_arcsec == 0
    assert still.rotation_deg == pytest.approx(0, abs=1e-9)
    assert still.scale == pytest.approx(0, abs=1e-12)
    # North and east by half an arcsecond, across RA 0.
    there = make_wcs(SHAPE, (0.001 + 0.3 / 3600 / np.cos(np.radians(-69.3))) % 360,
                     -69.3 + 0.4 / 3600, 31.0)  # fmt: skip
    found = movement([before, before], [there, there])
    assert (found.east_arcsec, found.north_arcsec) == pytest.approx((0.3, 0.4), abs=1e-5)
    assert found.shift_arcsec == pytest.approx(0.5, abs=1e-5)
    back = movement([there], [before])
    assert (back.east_arcsec, back.north_arcsec) == pytest.approx((-0.3, -0.4), abs=1e-5)
    # A larger position angle is a turn from north to east.
    turned = movement([before], [make_wcs(SHAPE, 0.001, -69.3, 31.05)])
    assert turned.rotation_deg == pytest.approx(0.05, abs=1e-6)
    wide = movement([before], [make_wcs(SHAPE, 0.001, -69.3, 31.0, aberration=1.00105)])
    assert wide.scale == pytest.approx(1e-3, rel=1e-3)


def test_residuals_are_nothing_where_coordinates_are_right():
    for left in residuals(sightings(star_field(stars=30, shape=SHAPE)), 0.1):
        seen = np.isfinite(left.x)
        assert seen.mean() > 0.7
        assert np.abs(left.x[seen]).max() < 1e-6
        assert left.used[seen].all()


def test_residuals_are_along_the_axes_of_the_image_and_of_the_sky():
    seen = sightings(star_field(n=2, stars=30, shape=SHAPE))
    shifted = replace(seen[1], x=seen[1].x + 0.2, y=seen[1].y - 0.1)
    first, second = residuals([seen[0], shifted], 0.1)
    known = np.isfinite(second.x)
    np.testing.assert_allclose(second.x[known], 0.2, atol=2e-5)
    np.testing.assert_allclose(second.y[known], -0.1, atol=2e-5)
    # The other sees the opposite, on the sky exactly so.
    np.testing.assert_allclose(np.sort(first.east[np.isfinite(first.x)]),
                               np.sort(-second.east[known]), atol=1e-9)  # fmt: skip
    size = np.hypot(second.east[known], second.north[known])
    np.testing.assert_allclose(size, np.hypot(0.2, 0.1) * SCALE, rtol=1e-2)
    assert second.rms[:2] == pytest.approx((0.2, 0.1), abs=2e-5)
    # Stars that are farther apart than the radius are not the same.
    assert not np.isfinite(residuals([seen[0], shifted], 0.02)[1].x).any()


def test_a_star_that_is_another_is_not_used():
    seen = sightings(star_field(n=2, stars=40, shape=SHAPE), noise=0.01)
    x = seen[1].x.copy()
    x[3] += 0.7
    left = residuals([seen[0], replace(seen[1], x=x)], 0.1)[1]
    assert np.isfinite(left.x[3])
    assert not left.used[3]
    assert left.used.sum() > 0.9 * np.isfinite(left.x).sum()
    assert left.rms[0] < 0.03


def test_residuals_from_a_catalogue_and_of_nothing():
    field = star_field(n=2, stars=20, shape=SHAPE)
    seen = sightings(field)
    sky = field.ra, field.dec + 0.05 / 3600
    for left in residuals([replace(one, exposure=0) for one in seen], 0.1, sky):
        assert np.isfinite(left.x).all()  # both exposures, though they move as one
        np.testing.assert_allclose(left.north, -0.05, atol=1e-6)
    none = np.zeros(0)
    blind = [replace(one, x=none, y=none) for one in seen]
    assert [left.x.size for left in residuals(blind, 0.1)] == [0, 0]
    assert np.isnan(residuals(blind, 0.1)[0].rms).all()


def test_which_images_meet():
    here, beside = (make_wcs(SHAPE, 0.001 + 3e-3 * k, -69.3, 31.0) for k in (0, 1))
    far = make_wcs(SHAPE, 0.2, -69.3, 31.0)
    assert meets(here, [far, beside])
    assert not meets(here, [far])
    assert not meets(here, [])


def test_images_are_taken_from_the_first_outwards():
    seen = sightings(star_field(n=1, stars=10, shape=SHAPE))[0]
    places = {4: 0.0, 0: 9.5, 1: 4.0, 2: -3.0, 3: -8.0}
    row = [replace(seen, exposure=k, wcs=make_wcs(SHAPE, (1e-3 * at) % 360, 0.0, 0.0))
           for k, at in places.items()]  # fmt: skip
    assert [row[k].exposure for k in outwards(row)] == [4, 2, 1, 3, 0]
    # Detectors of one exposure follow each other.
    assert outwards([row[0], row[1], replace(row[4], exposure=4)]) == [0, 2, 1]


# Solutions.


def test_fits_beyond_the_limits_are_refused_one_after_the_other():
    seen = sightings(star_field(shape=SHAPE, stars=60, moved={2: (0.0, 0.33)}, turned={3: 0.5}))
    everything = solve(seen, matching(), Limits())
    assert [one.status for one in everything.exposures.values()].count("SUCCESS") == 3
    moved = everything.exposures[2].movement
    assert moved.shift_arcsec == pytest.approx(0.33, rel=0.01)
    assert everything.exposures[3].movement.rotation_deg == pytest.approx(0.5, abs=0.01)
    assert everything.exposures[3].matches > 40
    limits = Limits(shift_arcsec=0.2, rotation_deg=0.1)
    some = solve(seen, matching(), limits)
    assert [one.is_placed for one in some.exposures.values()] == [True, True, False, False]
    assert some.lost == [2, 3]
    assert some.exposures[2].reason == (
        "it would be moved by 0.33 arcsec, and tweakreg.max_shift is 0.2"
    )
    assert "turned by 0.5 deg, and tweakreg.max_rotation is 0.1" in some.exposures[3].reason
    for k in (2, 3):
        assert some.wcs[k] is seen[k].wcs
        assert not np.isfinite(some.residuals[k].x).any()


def test_an_odd_reference_is_left_out():
    # The first exposure is given the largest overlap by the order; it is 5 arcsec off.
    seen = sightings(star_field(shape=SHAPE, stars=60, moved={0: (4.4, 2.7)}))
    first = solve(seen, matching(), Limits(), ordered=True)
    assert not first.is_agreed
    found = solve_by_majority(seen, matching(), Limits(), ordered=True, expand=True)
    assert [one.is_placed for one in found.exposures.values()] == [False, True, True, True]
    assert list(found.exposures) == [0, 1, 2, 3]
    assert found.lost == [0]
    assert "not with it" in found.reasons
    assert found.wcs[0] is seen[0].wcs
    assert np.isfinite(found.residuals[2].x).sum() > 20


def test_stars_that_agree_only_loosely_are_no_match():
    field = star_field(shape=SHAPE, stars=60)
    seen = sightings(field)
    loose = sightings(field, noise=2.0)[2]  # 0.2 arcsec: within the tolerance, not the closer one
    results = align([seen[0], seen[1], loose], matching(), ordered=True)
    assert [one.status for one in results[:2]] == ["REFERENCE", "SUCCESS"]
    assert results[2].status == ("FAILED: its stars were matched, but too few to within 0.1 arcsec")
    assert results[2].seen is loose


@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("blind", [0, 1, 3])
def test_an_exposure_without_stars_hinders_no_other(expand, blind):
    seen = sightings(star_field(shape=SHAPE, stars=60))
    seen[blind] = replace(seen[blind], x=np.zeros(0), y=np.zeros(0))
    results = align(seen, matching(rematch=0.0), ordered=True, expand=expand)
    assert results[blind].status == "FAILED: empty source catalog"
    assert results[blind].seen is seen[blind]
    others = [result.status for k, result in enumerate(results) if k != blind]
    assert others == ["REFERENCE", "SUCCESS", "SUCCESS"]


def test_nothing_is_aligned_with_stars_of_an_exposure_that_could_not_be_aligned():
    # Each tile lies on the one before alone; the second saw other stars.
    field = star_field(shape=SHAPE, stars=60)
    seen = sightings(field)
    rng = np.random.default_rng(5)
    odd = replace(seen[1], x=rng.uniform(0, SHAPE[1], 40), y=rng.uniform(0, SHAPE[0], 40))
    given = {"ordered": True, "expand": True}
    results = align([seen[0], odd, *seen[2:]], matching(rematch=0.0), **given)
    assert [one.is_placed for one in results] == [True, False, True, True]
    without = align([seen[0], *seen[2:]], matching(rematch=0.0), **given)
    for one, other in zip(results[2:], without[1:], strict=True):
        np.testing.assert_array_equal(one.seen.wcs(70.0, 80.0), other.seen.wcs(70.0, 80.0))


@pytest.mark.parametrize("expand", [False, True])
def test_detectors_of_an_exposure_move_together(expand):
    seen = sightings(star_field(shape=SHAPE, stars=60, moved={2: (0.3, 0.1), 3: (0.3, 0.1)}))
    pairs = [replace(one, exposure=k // 2) for k, one in enumerate(seen)]
    results = align(pairs, matching(rematch=0.0), ordered=True, expand=expand)
    assert [one.status for one in results] == ["REFERENCE"] * 2 + ["SUCCESS"] * 2
    for k in (2, 3):
        found = movement([seen[k].wcs], [results[k].seen.wcs])
        assert found.shift_arcsec == pytest.approx(np.hypot(0.3, 0.1), rel=0.02)


def test_coordinates_that_are_given_stay_as_they_are():
    field = star_field(shape=SHAPE, stars=60, moved={1: (0.3, -0.4)})
    seen = sightings(field)
    places = [one.wcs(10.0, 20.0, with_bounding_box=False) for one in seen]
    frames, boxes = seen[1].wcs.available_frames, seen[1].wcs.bounding_box
    once = align(seen, matching(rematch=0.0))
    twice = align([replace(one.seen) for one in once], matching(rematch=0.0))
    assert [one.status for one in once] == ["REFERENCE", *["SUCCESS"] * (len(seen) - 1)]
    for one, place in zip(seen, places, strict=True):
        assert one.wcs(10.0, 20.0, with_bounding_box=False) == place
    assert seen[1].wcs.available_frames == frames
    for images in (once, twice):
        moved = images[1].seen.wcs
        assert type(moved) is WCS
        assert moved.bounding_box == boxes
        assert set(moved.available_frames) - set(frames) == {"v2v3corr"}
        assert moved(10.0, 20.0, with_bounding_box=False) != places[1]
    moved.bounding_box = None  # what copies share is not changed through them
    assert [one.wcs.bounding_box for one in seen] == [boxes] * len(seen)
    assert once[1].seen.wcs.bounding_box == boxes


# The phase in the pixel.


def test_what_the_phase_in_the_pixel_does_is_undone():
    seen = sightings(star_field(shape=SHAPE, stars=60))
    wrong = [replace(one, x=one.x - 0.08 * np.sin(2 * np.pi * one.x),
                     y=one.y + 0.03 * np.sin(2 * np.pi * one.y)) for one in seen]  # fmt: skip
    for one, before, found in zip(seen, wrong, without_phase(wrong, 0.1), strict=True):
        assert np.abs(before.x - one.x).max() > 0.05
        np.testing.assert_allclose(found.x, one.x, atol=2e-3)
        np.testing.assert_allclose(found.y, one.y, atol=2e-3)
    # Nothing is done where it does nothing, or where little is known.
    for one, found in zip(seen, without_phase(seen, 0.1), strict=True):
        np.testing.assert_allclose(found.x, one.x, atol=1e-6)
    few = [replace(one, x=one.x[:5], y=one.y[:5]) for one in wrong]
    assert without_phase(few, 0.1) == few
    assert without_phase([replace(one, x=one.x[:0], y=one.y[:0]) for one in few], 0.1)


@pytest.mark.parametrize("fwhm", [1.0, 2.0])
def test_pointing_errors_are_found(fwhm):
    """200 stars, 0.5 arcsec and 0.05 deg: shifts to 0.005 pixel, rotations to 0.1 arcsec."""
    field = star_field(n=2, shape=(400, 420), stars=200, fwhm=fwhm, moved={1: (0.3, -0.4)},
                       turned={1: 0.05}, seed=1)  # fmt: skip
    found = TweakReg(**STRICT | {"kernel_fwhm": 2.5, "pixel_phase": True, "sharplo": 0.2,
                                 "weighted": True})(field.group)  # fmt: skip
    x, y = (v.ravel() for v in np.meshgrid(np.linspace(5, 414, 9), np.linspace(5, 394, 9)))
    right = field.true[1](x, y, with_bounding_box=False)
    at = found.group.members[1].wcs.invert(*right, with_bounding_box=False)
    away = (at[0] - x) + 1j * (at[1] - y)
    assert abs(away.mean()) < 0.0015
    around = (x - x.mean()) + 1j * (y - y.mean())
    turn = np.angle(np.sum(np.conj(around) * (around + away - away.mean())))
    assert abs(turn) * np.abs(around).max() * SCALE < 0.001
    facts = found.tweakreg.table.meta["exposures"][1]
    assert facts["rms_x_pixel"] < 0.006
    assert facts["rotation_deg"] == pytest.approx(0.05, abs=1e-3)


# The step.


@pytest.fixture(scope="module")
def displaced():
    """Four exposures; the third is farther off than stars are looked for."""
    return star_field(shape=SHAPE, stars=70, seed=5, astray=1.0, moved={2: (3.8, -2.2)})


def test_an_exposure_that_is_displaced_is_left_out(displaced):
    with pytest.warns(
        Doubtful, match=r"_00003_cam_cal.fits could not be aligned: .*left out"
    ) as told:
        result = TweakReg(**STRICT)(displaced.group)
    assert "tweakreg.unaligned=keep" in str(told[0].message)
    assert [m.meta["observation.exposure_number"] for m in result.group.members] == [
        "00001", "00002", "00004"
    ]  # fmt: skip
    assert max(placed_at(displaced, result.group.members).values()) < 0.02 * SCALE


def test_headers_say_how_exposures_were_aligned(displaced):
    with pytest.warns(Doubtful):
        result = TweakReg(**STRICT | {"unaligned": "keep"})(displaced.group)
    first, second, third, _ = (member.meta for member in result.group.members)
    facts = result.tweakreg.table.meta["exposures"]
    for name, key in (
        ("shift_east", "shift_east_mas"), ("shift_north", "shift_north_mas"),
        ("rms_east", "rms_east_mas"), ("rms_north", "rms_north_mas"),
        ("rotation", "rotation_deg"), ("matches", "matches"),
    ):  # fmt: skip
        assert second[f"alignment.{name}"] == pytest.approx(facts[1][key], rel=1e-5), name
    assert (second["alignment.status"], facts[1]["status"]) == ("SUCCESS", "SUCCESS")
    assert second["alignment.shift_east"] != 0
    assert (first["alignment.status"], first["alignment.shift_east"]) == ("REFERENCE", 0)
    assert third["alignment.status"].startswith("FAILED: ")
    assert (third["alignment.shift_north"], third["alignment.matches"]) == (0, 0)
    assert "alignment.rms_east" not in third
    # They are of one exposure: a mosaic says them in its table of headers.
    mosaic = Resample()(result.group)
    assert not [name for name in mosaic.meta if name.startswith("alignment.")]
    assert "alignment.shift_east" in mosaic.hdrtab.dtype.names


def test_an_exposure_that_is_displaced_may_be_kept(displaced):
    with pytest.warns(Doubtful, match=r"_00003_.*it stays where it was, and others may have moved"):
        result = TweakReg(**STRICT | {"unaligned": "keep"})(displaced.group)
    assert len(result.group.members) == 4
    assert result.group.members[2].wcs is displaced.group.members[2].wcs


def test_stars_of_another_field_are_refused():
    # Matched as loosely as this, enough of them lie beside some star or other.
    seen = sightings(star_field(n=3, shape=SHAPE, stars=70, seed=5))
    other = sightings(star_field(n=3, shape=SHAPE, stars=70, seed=99))[1]
    loose = matching(rematch=0.0, least=6, tolerance=1.0)
    wrong = [seen[0], replace(seen[1], x=other.x, y=other.y), seen[2]]
    believed = solve(wrong, loose, Limits())
    assert believed.exposures[1].status == "SUCCESS"
    found = solve(wrong, loose, Limits(rms_arcsec=0.05))
    assert [one.is_placed for one in found.exposures.values()] == [True, False, True]
    assert re.match(r"with residuals of 0\.\d+ arcsec \(rms\), and tweakreg.max_rms is 0.05",
                    found.exposures[1].reason)  # fmt: skip


def test_nothing_is_moved_where_no_two_exposures_agree(displaced):
    fields = [star_field(n=3, stars=20, seed=30 + k).group.members[k] for k in range(3)]
    told = r"of 3 exposures none .*; jw.*00003_cam_cal\.fits: "
    with pytest.raises(StepSkipped, match=told) as skipped:
        TweakReg(**STRICT)(Group("mosaic", tuple(fields)))
    # The table tells of each exposure all the same.
    table = skipped.value.left["tweakreg"].table
    assert np.isnan(table["residual_x"]).all()
    assert [one["stars"] > 5 for one in table.meta["exposures"]] == [True] * 3
    assert all(one["status"].startswith("FAILED: ") for one in table.meta["exposures"])


def test_what_the_table_tells(displaced):
    with pytest.warns(Doubtful):
        result = TweakReg(**STRICT)(displaced.group)
    table = result.tweakreg.table
    facts = table.meta["exposures"]
    assert [one["status"].partition(":")[0] for one in facts].count("FAILED") == 1
    for one in facts:
        own = table[table["exposure"] == one["exposure"]]
        assert len(own) == one["stars"]
        known = np.isfinite(own["residual_x"].value)
        assert known.sum() == one["matches"]
        if one["status"] == "SUCCESS":
            assert own["used"].sum() > 30
            x = own["residual_x"].value[own["used"]]
            assert np.sqrt(np.mean(x**2)) == pytest.approx(one["rms_x_pixel"], rel=1e-4)
            assert one["rms_x_pixel"] < 0.03
            east = own["residual_east"].to_value("mas")[own["used"]]
            assert np.sqrt(np.mean(east**2)) == pytest.approx(one["rms_east_mas"], rel=1e-4)
            assert one["matches"] > 40
    bright = table["snr"] > np.nanmedian(table["snr"])
    spread = [np.nanstd(table["residual_x"].value[which & table["used"]])
              for which in (bright, ~bright)]  # fmt: skip
    assert spread[0] < spread[1]


def test_catalogues_are_handed_out_that_can_be_given_back(tmp_path):
    field = star_field(n=2, shape=SHAPE, stars=60, seed=5, astray=1.0)
    sky = tmp_path / "sky.csv"
    Table({"RA": field.ra, "DEC": field.dec + 0.3 / 3600, "pmRA": np.full(60, 0.0),
           "pmDEC": np.full(60, 100.0), "epoch": np.full(60, 2019.4)}).write(sky)  # fmt: skip
    times = [m.replace(meta=m.meta.set({"exposure.mid_time": 58999.5 + 10})) for m in
             field.group.members]  # fmt: skip
    asked = STRICT | {"abs_refcat": str(sky), "save_catalogs": True, "save_abs_catalog": True}
    result = TweakReg(**asked, catalog_format="fits")(field.group.with_members(times))
    away = placed_at(field, result.group.members)
    # In June 2020 stars are a tenth of an arcsecond north of where the catalogue has them.
    north = 0.3 + 0.1 * (mean_year([58999.5 + 10]) - 2019.4)
    assert [away[0], away[1]] == pytest.approx([north, north], abs=0.001)
    np.testing.assert_allclose(result.refcat.table["DEC"], field.dec + north / 3600, atol=1e-9)
    assert [one["exposure"] for one in result.tweakreg.table.meta["catalogue"]] == [0]
    moved = result.group.members[0].meta["alignment.shift_north"]
    assert moved == pytest.approx(1e3 * north, abs=1.0)  # by the catalogue, with all others
    lines = []
    for member, stars in zip(field.group.members, result.cat.members, strict=True):
        assert stars.format == "fits"
        name = f"{member.meta['filename'][:-5]}_cat.fits"
        stars.table.write(tmp_path / name)
        lines.append(f"{member.meta['filename']} {name}")
    (tmp_path / "list.txt").write_text("\n".join(lines))
    again = TweakReg(**STRICT, use_custom_catalogs=True, catfile=str(tmp_path / "list.txt"))(
        field.group
    )
    assert np.isnan(again.tweakreg.table["snr"]).all()
    before, after = (r.tweakreg.table.meta["exposures"][1] for r in (result, again))
    assert after["shift_east_mas"] == pytest.approx(before["shift_east_mas"], abs=0.5)
    assert again.cat is None
    assert again.refcat is None


def test_a_catalogue_of_another_place_moves_nothing(tmp_path):
    field = star_field(n=2, shape=SHAPE, stars=60, seed=5, astray=1.0)
    sky = tmp_path / "sky.csv"
    rng = np.random.default_rng(4)
    Table({"RA": field.ra, "DEC": rng.permutation(field.dec)}).write(sky)
    with pytest.warns(
        Doubtful, match=r"not be aligned with .*sky\.csv: .*agree with each other alone"
    ):
        result = TweakReg(**STRICT, abs_refcat=str(sky))(field.group)
    away = placed_at(field, result.group.members)
    assert abs(away[1] - away[0]) < 0.005
    with pytest.raises(StepSkipped, match="could not be aligned with") as skipped:
        TweakReg(**STRICT, abs_refcat=str(sky))(Group("one", field.group.members[:1]))
    (one,) = skipped.value.left["tweakreg"].table.meta["catalogue"]
    assert one["status"].startswith(("FAILED: ", "REFUSED: "))
    # Nor is anything claimed where exposures agree neither with each other nor with it.
    with (
        pytest.warns(Doubtful, match="of 2 exposures none could be aligned"),
        pytest.raises(StepSkipped, match="could not be aligned with"),
    ):
        TweakReg(**STRICT | {"minobj": 500}, abs_refcat=str(sky))(field.group)


def test_tweakwcs_says_nothing_to_the_users_log(displaced, caplog):
    seen = sightings(displaced)
    none = np.zeros(0)
    with caplog.at_level(logging.DEBUG):
        align([seen[0], replace(seen[1], x=none, y=none), *seen[2:]], matching())
    assert not caplog.records
    logging.getLogger("tweakwcs.imalign").warning("asked for")
    assert [record.message for record in caplog.records] == ["asked for"]
