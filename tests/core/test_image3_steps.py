import runpy
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import ascii as text
from astropy.table import Table

from calcore.errors import (
    BadParameter,
    CalcoreError,
    FileInvalid,
    ReferenceInvalid,
    StepSkipped,
    UnknownFlag,
)
from calcore.flags import DQ
from calcore.kernels.combining import Sums
from calcore.kernels.drizzling import Drizzled
from calcore.model import Group, Meta
from calcore.model.combine import blend, by_exposure, header_table
from calcore.model.reference import AbVegaOffset, ApertureCorrection
from calcore.steps.combination.outlier_detection import OutlierDetection
from calcore.steps.combination.resample import Resample
from calcore.steps.combination.skymatch import SkyMatch
from calcore.steps.combination.source_catalog import SourceCatalog
from calcore.steps.combination.tweakreg import TweakReg
from calcore.wcs.outline import outline, overlaps

STARS = runpy.run_path(str(Path(__file__).parents[1] / "star_field.py"))
star_field, make_wcs, SCALE = STARS["star_field"], STARS["make_wcs"], STARS["SCALE"]


@pytest.fixture(scope="module")
def still():
    """Exposures whose coordinates are right, under skies that differ, with hits."""
    return star_field(sky=(1.0, 1.3, 0.8, 1.1), hits=12)


@pytest.fixture(scope="module")
def even():
    """Exposures with the same sky and nothing wrong."""
    return star_field(bad=False, noise=0.01)


def changed(group, **planes):
    """The same group with planes of its first member replaced."""
    first = group.members[0].replace(**planes)
    return group.with_members([first, *group.members[1:]])


def copies(group):
    return [{n: np.array(getattr(m, n)) for n in ("data", "err", "dq")} for m in group.members]


def assert_untouched(group, before):
    for member, planes in zip(group.members, before, strict=True):
        for name, plane in planes.items():
            np.testing.assert_array_equal(getattr(member, name), plane)


# Resample.


def test_flux_is_conserved_and_stars_are_where_they_were(even):
    before = copies(even.group)
    mosaic = Resample()(even.group)
    assert_untouched(even.group, before)
    x, y = mosaic.wcs.invert(even.ra, even.dec, with_bounding_box=False)
    data = np.nan_to_num(mosaic.data - np.float32(1.0)).astype(float)
    x0, x1, y0, y1 = x.min() - 8, x.max() + 8, y.min() - 8, y.max() + 8
    box = data[int(max(y0, 0)) : int(y1), int(max(x0, 0)) : int(x1)]
    # Surface brightness times solid angle, in and out; the distortion makes pixels differ by 0.1 %.
    area_in = even.group.members[0].meta["photometry.pixelarea_steradians"]
    area_out = mosaic.meta["photometry.pixelarea_steradians"]
    assert box.sum() * area_out == pytest.approx(even.flux.sum() * area_in, rel=2e-3)
    bright = np.argsort(even.flux)[-5:]
    for k in bright:
        i, j = round(float(x[k])), round(float(y[k]))
        cut = data[j - 3 : j + 4, i - 3 : i + 4]
        if cut.shape == (7, 7) and np.hypot(x - x[k], y - y[k])[np.arange(x.size) != k].min() > 8:
            rows, columns = np.mgrid[j - 3 : j + 4, i - 3 : i + 4]
            assert (cut * columns).sum() / cut.sum() == pytest.approx(x[k], abs=0.03)
            assert (cut * rows).sum() / cut.sum() == pytest.approx(y[k], abs=0.03)


def test_the_mosaic_has_the_first_exposures_orientation_or_the_one_asked_for(even):
    mosaic = Resample()(even.group)
    first = even.group.members[0]
    for wcs, middle in ((mosaic.wcs, (60.0, 60.0)), (first.wcs, (60.0, 60.0))):
        ra, dec = wcs(np.array([middle[0], middle[0]]), np.array([middle[1], middle[1] + 10]),
                      with_bounding_box=False)  # fmt: skip
        east = (np.diff(ra) + 180) % 360 - 180
        angle = np.degrees(np.arctan2(east[0] * np.cos(np.radians(dec[0])), np.diff(dec)[0]))
        assert angle == pytest.approx(31.0 + 4.8, abs=0.1)
    north = Resample(rotation=0.0)(even.group)
    ra, dec = north.wcs(np.array([50.0, 50.0, 60.0]), np.array([50.0, 60.0, 50.0]))
    assert abs((ra[1] - ra[0] + 180) % 360 - 180) < 1e-7
    assert dec[1] - dec[0] == pytest.approx(10 * SCALE / 3600, rel=5e-3)
    assert (ra[2] - ra[0] + 180) % 360 - 180 < 0  # east is left


def test_the_grid_obeys_what_is_asked(even):
    small = Resample(pixel_scale_ratio=0.5)(even.group)
    usual = Resample()(even.group)
    ratio = (
        small.meta["photometry.pixelarea_steradians"]
        / usual.meta["photometry.pixelarea_steradians"]
    )
    assert ratio == pytest.approx(0.25, rel=1e-9)
    assert small.data.shape[0] == pytest.approx(2 * usual.data.shape[0], abs=1)
    assert np.nanmedian(small.data) == pytest.approx(np.nanmedian(usual.data), rel=1e-3)
    # Errors of sums over the same patch of sky agree: smaller pixels have smaller errors of their own
    # only if neighbours were independent, so variances are scaled.
    assert np.nanmedian(small.err) == pytest.approx(2 * np.nanmedian(usual.err), rel=0.02)
    fixed = Resample(
        pixel_scale=0.2, crpix=(30.0, 20.0), crval=(0.001, -69.3), output_shape=(70, 50)
    )(even.group)
    assert fixed.data.shape == (50, 70)
    ra, dec = fixed.wcs(30.0, 20.0)
    assert (float(ra), float(dec)) == pytest.approx((0.001, -69.3), abs=1e-10)
    assert fixed.meta["photometry.pixelarea_arcsecsq"] == pytest.approx(0.04, rel=1e-9)
    assert fixed.meta["wcsinfo.crpix1"] == 31.0


def test_a_grid_from_a_file(even, tmp_path):
    usual = Resample()(even.group)
    path = tmp_path / "grid.asdf"
    asdf.AsdfFile({"wcs": usual.wcs}).write_to(path)
    again = Resample(output_wcs=str(path))(even.group)
    assert again.data.shape == usual.data.shape
    np.testing.assert_allclose(again.data, usual.data, rtol=1e-4)
    assert again.meta["photometry.pixelarea_steradians"] == pytest.approx(
        usual.meta["photometry.pixelarea_steradians"], rel=1e-4
    )
    asdf.AsdfFile({"other": 1}).write_to(path)
    with pytest.raises(FileInvalid, match="holds no gWCS under the key 'wcs'"):
        Resample(output_wcs=str(path))(even.group)
    broken = tmp_path / "broken.asdf"
    broken.write_bytes(b"#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n--- {wcs: [1, 2\n...\n")
    for unreadable in (tmp_path / "missing.asdf", broken):
        with pytest.raises(FileInvalid, match="cannot be read as an ASDF file"):
            Resample(output_wcs=str(unreadable))(even.group)


def test_bad_pixels_do_not_contribute_and_context_says_who_did(even):
    dq = np.zeros_like(even.group.members[0].dq)
    dq[40:60, 50:80] = DQ.DO_NOT_USE
    data = even.group.members[0].data.copy()
    data[40:60, 50:80] = 1e6
    data[10, 10] = np.nan  # unusable without a flag
    data[20, 20], dq[20, 20] = 1e6, DQ.NON_SCIENCE
    mosaic = Resample()(changed(even.group, data=data, dq=dq))
    assert np.nanmax(mosaic.data) < 1e5
    x, y = mosaic.wcs.invert(*even.group.members[0].wcs(65.0, 50.0), with_bounding_box=False)
    assert mosaic.con[0, round(float(y)), round(float(x))] == 0b1110
    assert (mosaic.con[0] & ~0b1111).max() == 0
    empty = mosaic.con[0] == 0
    np.testing.assert_array_equal(empty, np.isnan(mosaic.data))
    np.testing.assert_array_equal(empty, mosaic.wht == 0)
    np.testing.assert_array_equal(empty, np.isnan(mosaic.err))


def test_the_thirty_third_exposure_opens_a_second_plane_of_context():
    ones = np.ones((2, 2), np.float32)
    sums = Sums.over((2, 2), 33, 0, context=True, flags=False)
    for number in (0, 31, 32):
        sums.add(Drizzled(slice(0, 2), slice(0, 2), ones[None], ones), number, 1.0)
    assert sums.context.shape == (2, 2, 2)
    assert sums.context[:, 0, 0].view(np.uint32).tolist() == [(1 << 31) | 1, 1]


def test_errors_are_those_of_the_weighted_mean():
    field = star_field(stars=0, bad=False, noise=0.05)
    mosaic = Resample(pixfrac=0.01, kernel="point", weight_type="ivm")(field.group)
    # With the point kernel an output pixel is a mean of whole input pixels, all independent.
    several = mosaic.con[0] == 0b1111
    assert several.sum() > 2000
    residual = (mosaic.data - 1.0)[several] / mosaic.err[several]
    # var_flat is in ERR though no such noise is in the data: 0.003 of 0.05.
    assert residual.std() == pytest.approx(1, abs=0.05)
    total = mosaic.var_poisson + mosaic.var_rnoise + mosaic.var_flat
    np.testing.assert_allclose(mosaic.err, np.sqrt(total), rtol=1e-6)


def test_weights_by_exposure_time_and_none(even):
    by_time = Resample(weight_type="exptime")(even.group)
    assert np.nanmax(by_time.wht) == pytest.approx(98 + 99 + 100 + 101, rel=0.02)
    assert np.nanmax(Resample(weight_type=None)(even.group).wht) == pytest.approx(4, rel=0.02)


def test_the_sky_that_was_found_is_subtracted(even):
    levels = (0.5, 0.6, 0.7, 0.8)
    raised = even.group.with_members(
        [
            m.replace(
                data=m.data + np.float32(v),
                meta=m.meta.set({"background.level": v, "background.method": "match"}),
            )
            for m, v in zip(even.group.members, levels, strict=True)
        ]
    )
    ours, plain = Resample()(raised), Resample()(even.group)
    np.testing.assert_allclose(ours.data, plain.data, atol=2e-5)
    assert "background.level" not in ours.meta
    assert ours.meta["background.method"] == "match"
    gone = raised.with_members(
        [m.replace(meta=m.meta.set({"background.subtracted": True})) for m in raised.members]
    )
    assert np.nanmedian(Resample()(gone).data - plain.data) == pytest.approx(0.65, abs=0.01)


def test_metadata_of_the_product(even):
    mosaic = Resample(pixfrac=0.8)(even.group)
    meta = mosaic.meta
    assert meta["exposure.exposure_time"] == 101 + 102 + 103 + 104
    assert meta["exposure.effective_exposure_time"] == 101 + 102 + 103 + 104
    assert meta["exposure.measurement_time"] == 98 + 99 + 100 + 101
    assert meta["exposure.elapsed_exposure_time"] == 111 + 112 + 113 + 114
    assert (meta["exposure.start_time"], meta["exposure.end_time"]) == (59001.0, 59004.5)
    assert meta["exposure.mid_time"] == 59002.75
    assert meta["observation.date_end"] == "2020-05-31T00:04:59.000"
    assert meta["resample.pointings"] == 4
    assert meta["resample.pixfrac"] == 0.8
    assert "wcsinfo.ra_ref" not in meta
    assert meta["wcsinfo.s_region"].startswith("POLYGON ICRS  ")
    assert len(mosaic.hdrtab) == 4
    assert mosaic.hdrtab["exposure.exposure_time"].tolist() == [101, 102, 103, 104]
    plain = Resample(blendheaders=False, enable_ctx=False, enable_err=False)(even.group)
    assert (plain.hdrtab, plain.con, plain.err, plain.var_rnoise) == (None, None, None, None)
    assert plain.meta["exposure.mid_time"] == 59001.25
    assert Resample(report_var=False)(even.group).var_rnoise is None


def test_two_detectors_of_one_exposure_count_once():
    field = star_field(
        names=("00001", "00001", "00002", "00002"),
        more=lambda k: {"instrument.detector": "AB"[k % 2], "instrument.filter": "X"},
    )
    meta = Resample()(field.group).meta
    assert meta["resample.pointings"] == 2
    assert meta["exposure.exposure_time"] == 101 + 103
    assert meta["instrument.detector"] == "MULTIPLE"
    assert meta["instrument.filter"] == "X"


def test_flags_of_all_that_contributed(even):
    dq = np.zeros_like(even.group.members[0].dq)
    dq[50, 60] = DQ.JUMP_DET
    dq[50, 70] = DQ.DO_NOT_USE | DQ.HOT
    mosaic = Resample(propagate_dq=True)(changed(even.group, dq=dq))
    assert set(np.unique(mosaic.dq)) == {0, int(DQ.JUMP_DET)}


def test_one_exposure_is_a_quick_look(even):
    mosaic = Resample()(Group("one", even.group.members[:1]))
    assert mosaic.meta["resample.pointings"] == 1
    assert mosaic.con.shape[0] == 1
    assert np.isfinite(mosaic.data).mean() > 0.5


def test_what_resample_refuses(even):
    with pytest.raises(BadParameter, match="fillval must be NAN, INDEF or a number, not 'none'"):
        Resample(fillval="none")
    with pytest.raises(BadParameter, match="single must be False"):
        Resample(single=True)
    with pytest.raises(BadParameter, match=r"pixfrac is 1\.5; it must lie in 0 to 1"):
        Resample(pixfrac=1.5)
    lost = even.group.with_members([m.replace(wcs=None) for m in even.group.members])
    with pytest.raises(CalcoreError, match="has no world coordinates; run assign_wcs"):
        Resample()(lost)
    filled = Resample(fillval="-7")(even.group)
    assert np.nanmin(filled.data) == -7


def test_the_grid_is_the_same_in_whatever_order_the_others_come(even):
    members = even.group.members
    shuffled = even.group.with_members([members[0], *members[:0:-1]])
    a, b = Resample()(even.group), Resample()(shuffled)
    assert a.data.shape == b.data.shape
    np.testing.assert_allclose(a.data, b.data, rtol=1e-5)


# Outlier detection.


def test_hits_are_flagged_and_star_cores_are_not():
    field = star_field(hits=12, sky=(1.0,))
    before = copies(field.group)
    # Stars this sharp lose their cores to the slope alone.
    result = OutlierDetection(rule="peaks")(field.group)
    assert_untouched(field.group, before)
    for k, (member, hits) in enumerate(zip(result.members, field.hits, strict=True)):
        found = (member.dq & DQ.OUTLIER) != 0
        usable = np.isfinite(field.group.members[k].data)
        assert found[hits & usable].mean() > 0.8
        assert ((member.dq[found] & DQ.DO_NOT_USE) != 0).all()
        assert np.isnan(member.data[found]).all()
        inside = (field.x[k] > 3) & (field.x[k] < 128) & (field.y[k] > 3) & (field.y[k] < 116)
        cores = np.rint(field.y[k][inside]).astype(int), np.rint(field.x[k][inside]).astype(int)
        assert found[cores].sum() <= hits[cores].sum()
        assert found.sum() < 3 * hits.sum() + 10


@pytest.mark.parametrize(("rule", "good"), [("slope", False), ("peaks", True)])
def test_hits_in_two_exposures(rule, good):
    """A mean of two holds half of each hit, which the other exposure then seems to lack."""
    field = star_field(n=2, hits=40, bad=False, stars=20)
    flagged = [(m.dq & DQ.OUTLIER) != 0 for m in OutlierDetection(rule=rule)(field.group).members]
    # Both exposures see the middle.
    found, hits = (np.stack(masks)[:, 30:-30, 30:-30] for masks in (flagged, field.hits))
    assert found[hits].mean() > 0.9
    assert (found[~hits].sum() < 10) == good


def test_sky_levels_in_the_header_are_heeded(still):
    matched = SkyMatch(skystat="median")(still.group)
    with_levels = OutlierDetection()(matched)
    without = OutlierDetection()(still.group)
    count = [
        sum(int(((m.dq & DQ.OUTLIER) != 0).sum()) for m in g.members)
        for g in (with_levels, without)
    ]
    assert count[0] < 0.2 * count[1]


def test_pixels_are_compared_as_they_are_if_nothing_is_resampled():
    field = star_field(stars=0, hits=8, bad=False)
    result = OutlierDetection(resample_data=False)(field.group)
    for member, hits in zip(result.members, field.hits, strict=True):
        found = (member.dq & DQ.OUTLIER) != 0
        assert found[hits].all()
        assert found.sum() < hits.sum() + 5


def test_nan_and_do_not_use_agree_afterwards(still):
    data = still.group.members[0].data.copy()
    data[70, 70] = np.nan
    result = OutlierDetection()(changed(still.group, data=data)).members[0]
    unusable = (result.dq & DQ.DO_NOT_USE) != 0
    assert unusable[70, 70]
    for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat"):
        np.testing.assert_array_equal(np.isnan(getattr(result, name)), unusable)


def test_what_outlier_detection_refuses(still):
    with pytest.raises(StepSkipped, match="at least two exposures"):
        OutlierDetection()(Group("one", still.group.members[:1]))
    with pytest.raises(BadParameter, match=r"snr must be two numbers such as '5.0 4.0', not '5'"):
        OutlierDetection(snr="5")
    with pytest.raises(UnknownFlag, match="BAD"):
        OutlierDetection(good_bits="~BAD")
    small = star_field(n=1, shape=(50, 60)).group.members[0]
    mixed = still.group.with_members([*still.group.members[:2], small])
    with pytest.raises(BadParameter, match="exposures differ in shape"):
        OutlierDetection(resample_data=False)(mixed)


# Skymatch.


def levels(group):
    return np.array([member.meta["background.level"] for member in group.members])


def test_sky_offsets_are_recovered(still):
    true = np.array([1.0, 1.3, 0.8, 1.1])
    before = copies(still.group)
    found = SkyMatch(skystat="median")(still.group)
    assert_untouched(still.group, before)
    np.testing.assert_allclose(levels(found), true - 0.8, atol=5e-3)
    assert found.members[0].meta["background.method"] == "match"
    assert found.members[0].meta["background.subtracted"] is False
    up = SkyMatch(skystat="median", match_down=False)(still.group)
    np.testing.assert_allclose(levels(up), true - 1.3, atol=5e-3)
    both = SkyMatch(skystat="median", skymethod="global+match")(still.group)
    local = SkyMatch(skystat="median", skymethod="local")(still.group)
    least = SkyMatch(skystat="median", skymethod="global")(still.group)
    np.testing.assert_allclose(levels(both), true, atol=0.05)
    np.testing.assert_allclose(levels(local), true, atol=0.05)
    np.testing.assert_allclose(levels(least), levels(local).min())
    np.testing.assert_allclose(levels(SkyMatch()(still.group)), true - 0.8, atol=0.05)


def test_subtracting_the_sky_and_then_again(still):
    once = SkyMatch(skystat="median", subtract=True)(still.group)
    np.testing.assert_allclose(
        once.members[1].data, still.group.members[1].data - np.float32(levels(once)[1])
    )
    assert once.members[0].meta["background.subtracted"] is True
    with pytest.raises(CalcoreError, match="was subtracted before"):
        SkyMatch()(once)
    twice = SkyMatch(skystat="median", subtract=True)(once)
    np.testing.assert_allclose(levels(twice), levels(once), atol=2e-3)


def test_detectors_of_one_exposure_share_a_level():
    field = star_field(names=("00001", "00001", "00002", "00002"), sky=(1.0, 1.0, 1.5, 1.5))
    found = levels(SkyMatch(skystat="median")(field.group))
    np.testing.assert_allclose(found, [0, 0, 0.5, 0.5], atol=5e-3)


def test_the_darkest_detector_is_the_sky_of_its_exposure():
    field = star_field(names=("00001", "00001", "00002", "00002"), sky=(1.0, 0.7, 1.2, 1.5))
    found = levels(SkyMatch(skystat="median", skymethod="local")(field.group))
    np.testing.assert_allclose(found, [0.7, 0.7, 1.2, 1.2], atol=0.05)


def test_levels_from_a_users_list(still, tmp_path):
    path = tmp_path / "sky.txt"
    names = [member.meta["filename"] for member in still.group.members]
    path.write_text("# sky\n" + "\n".join(f"{n} {0.1 * k}" for k, n in enumerate(names)))
    found = SkyMatch(skymethod="user", skylist=str(path))(still.group)
    np.testing.assert_allclose(levels(found), [0, 0.1, 0.2, 0.3])
    path.write_text(f"{names[0]} 0.5")
    with pytest.raises(FileInvalid, match=f"gives no level for {names[1]}"):
        SkyMatch(skymethod="user", skylist=str(path))(still.group)
    path.write_text(f"{names[0]} dark")
    with pytest.raises(FileInvalid, match="gives 'dark' for"):
        SkyMatch(skymethod="user", skylist=str(path))(still.group)
    with pytest.raises(FileInvalid, match="cannot be read as text"):
        SkyMatch(skymethod="user", skylist=str(tmp_path / "none"))(still.group)
    with pytest.raises(CalcoreError, match=r"give skymatch\.skylist"):
        SkyMatch(skymethod="user")(still.group)


def test_what_skymatch_skips(still):
    with pytest.raises(StepSkipped, match="but one exposure"):
        SkyMatch()(Group("one", still.group.members[:1]))
    far = star_field(n=1, dec=-30.0).group.members[0]
    far = far.replace(meta=far.meta.set({"observation.exposure_number": "00009"}))
    with pytest.raises(StepSkipped, match="no two exposures overlap"):
        SkyMatch()(Group("two", (still.group.members[0], far)))
    with pytest.raises(StepSkipped, match="no exposure has a pixel"):
        SkyMatch(skymethod="local", lower=1e9)(still.group)


def test_outlines_and_where_they_overlap(still):
    wcs, beside = (still.group.members[k].wcs for k in (0, 1))
    assert outline(wcs).shape == (4, 2)
    fine = outline(wcs, 20)
    assert len(fine) == 2 * (7 + 6)
    shape = still.group.members[0].data.shape

    def covered(*outlines):
        (rows,), places = overlaps(wcs, shape, outlines[0], [outlines[1]]), np.arange(shape[1])
        return ((rows[..., :1] <= places) & (places < rows[..., 1:])).any(axis=0)

    assert covered(outline(wcs), [outline(wcs)]).mean() > 0.97
    coarse = covered(outline(wcs), [outline(beside)])
    exact = covered(outline(wcs, 20), [outline(beside, 20)])
    assert 0.5 < exact.mean() < 0.9
    assert np.count_nonzero(coarse != exact) < 1.5 * sum(shape)
    opposite = np.array([[180.0, 69.3], [180.1, 69.3], [180.1, 69.4], [180.0, 69.4]])
    assert not covered(outline(wcs), [opposite, opposite[:3]]).any()


# Tweakreg.


def misalignment(result, field):
    """How far each exposure's stars are from where the first sees them [pixel], mean over stars."""
    east, north = [], []
    for member, x, y in zip(result.members, field.x, field.y, strict=True):
        ra, dec = member.wcs(x, y, with_bounding_box=False)
        turn = (ra - field.ra + 180) % 360 - 180
        east.append(np.mean(turn) * np.cos(np.radians(69.3)) * 3600 / SCALE)
        north.append(np.mean(dec - field.dec) * 3600 / SCALE)
    return np.hypot(east, north)


@pytest.fixture(scope="module")
def astray():
    return star_field(astray=2.0, stars=70, shape=(150, 160), seed=5)


def test_shifts_are_recovered(astray):
    assert misalignment(astray.group, astray)[1:].min() > 0.2
    regions = [member.meta.get("wcsinfo.s_region") for member in astray.group.members]
    frames = [list(member.wcs.available_frames) for member in astray.group.members]
    result = TweakReg(centroid="windowed", kernel_fwhm=2.2, rematch=0.1)(astray.group).group
    assert misalignment(result, astray).max() < 0.02
    moved = [m for m in result.members if "v2v3corr" in m.wcs.available_frames]
    assert len(moved) == 3
    for member in result.members:
        assert member.meta["wcsinfo.ctype1"] == "RA---TAN-SIP"
        assert member.meta["wcsinfo.crpix1"] == pytest.approx(80.5)
    assert regions == [None] * 4
    assert [list(m.wcs.available_frames) for m in astray.group.members] == frames
    # Without a second, closer match, neighbours that were taken for each other do harm.
    once = TweakReg(centroid="windowed", kernel_fwhm=2.2)(astray.group).group
    assert misalignment(result, astray).max() < misalignment(once, astray).max() < 0.2


def test_weights_help_where_stars_are_faint():
    field = star_field(astray=1.0, stars=60, shape=(150, 160), noise=0.15, seed=3)
    plain = TweakReg()(field.group).group
    best = TweakReg(centroid="windowed", rematch=0.1, weighted=True)(field.group).group
    assert misalignment(best, field).max() < min(0.01, misalignment(plain, field).max())


def test_detectors_of_one_exposure_move_as_one(astray):
    numbers = ("00001", "00001", "00002", "00002")
    group = astray.group.with_members(
        [
            m.replace(meta=m.meta.set({"observation.exposure_number": n}))
            for m, n in zip(astray.group.members, numbers, strict=True)
        ]
    )
    assert by_exposure([m.meta for m in group.members]) == [[0, 1], [2, 3]]
    result = TweakReg(fitgeometry="shift", tolerance=1.0)(group).group
    steps = []
    for member, before in zip(result.members, group.members, strict=True):
        ra, dec = member.wcs(75.0, 75.0)
        ra0, dec0 = before.wcs(75.0, 75.0)
        steps.append((float((ra - ra0 + 180) % 360 - 180), float(dec - dec0)))
    # One shift of a common plane, seen from two tangent points.
    np.testing.assert_allclose(steps[0], steps[1], atol=2e-8)
    np.testing.assert_allclose(steps[2], steps[3], atol=2e-8)
    assert np.abs(steps[0]).max() < 1e-9 < np.abs(steps[2]).max()


def test_alignment_with_a_catalogue(astray, tmp_path):
    path = tmp_path / "gaia.csv"
    shift = 0.5 / 3600
    text.write(Table({"RA": astray.ra, "DEC": astray.dec + shift}), path, format="csv")
    settings = {"centroid": "windowed", "kernel_fwhm": 2.2, "rematch": 0.1}
    result = TweakReg(abs_refcat=str(path), **settings)(astray.group).group
    for member, x, y in zip(result.members, astray.x, astray.y, strict=True):
        _, dec = member.wcs(x, y, with_bounding_box=False)
        assert np.mean(dec - astray.dec) * 3600 == pytest.approx(0.5, abs=0.003)
    text.write(Table({"alpha": [1.0], "delta": [2.0]}), path, format="csv", overwrite=True)
    with pytest.raises(FileInvalid, match="has no column ra or radeg; it has alpha, delta"):
        TweakReg(abs_refcat=str(path))(astray.group)


def test_stars_from_the_users_files(astray, tmp_path):
    lines = []
    for k, member in enumerate(astray.group.members):
        name = f"stars{k}.ecsv"
        inside = (astray.x[k] > 0) & (astray.x[k] < 159) & (astray.y[k] > 0) & (astray.y[k] < 149)
        Table({"x": astray.x[k][inside], "y": astray.y[k][inside]}).write(tmp_path / name)
        lines.append(f"{member.meta['filename']} {name}")
    listed = tmp_path / "catfile.txt"
    listed.write_text("\n".join(lines))
    settings = {"use_custom_catalogs": True, "separation": 0.3, "tolerance": 0.3}
    result = TweakReg(catfile=str(listed), **settings)(astray.group).group
    assert misalignment(result, astray).max() < 1e-3
    listed.write_text(lines[0])
    with pytest.raises(FileInvalid, match="names no catalogue for"):
        TweakReg(catfile=str(listed), **settings)(astray.group)


def test_what_tweakreg_skips(astray):
    with pytest.raises(StepSkipped, match="but one exposure, and no catalogue"):
        TweakReg()(Group("one", astray.group.members[:1]))
    with pytest.raises(StepSkipped, match="of 4 exposures none could be aligned"):
        TweakReg(brightest=5)(astray.group)
    blank = astray.group.with_members(
        [m.replace(data=np.full_like(m.data, np.nan)) for m in astray.group.members]
    )
    with pytest.raises(StepSkipped, match="none could be aligned"):
        TweakReg()(blank)


# Source catalogue.


def references(fwhm=2.2, energies=(0.3, 0.5, 0.7)):
    sigma = fwhm / 2.3548
    radius = [sigma * np.sqrt(-2 * np.log(1 - e)) for e in energies]
    table = np.zeros(
        2 * len(energies),
        [("filter", "S8"), ("eefraction", "f4"), ("radius", "f4"), ("apcorr", "f4"),
         ("skyin", "f4"), ("skyout", "f4")],
    )  # fmt: skip
    table["filter"] = [b"F1"] * len(energies) + [b"F2"] * len(energies)
    table["eefraction"], table["radius"] = energies * 2, radius * 2
    table["apcorr"] = [1 / e for e in energies] * 2
    table["skyin"], table["skyout"] = 6.0, 9.0
    vega = Table({"filter": ["F1", "F2"], "abvega_offset": [4.4, 5.0]})
    return {
        "apcorr": ApertureCorrection(meta=Meta({}), table=table),
        "abvegaoffset": AbVegaOffset(meta=Meta({}), table=vega),
    }


@pytest.fixture(scope="module")
def mosaic():
    field = star_field(stars=12, bad=False, noise=0.01, seed=17)
    result = Resample()(field.group)
    return field, result.replace(meta=result.meta.set({"instrument.filter": "F1"}))


def alone(x, y, distance):
    gaps = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(gaps, np.inf)
    return gaps.min(axis=0) > distance


def test_the_catalogue_finds_stars_and_their_flux(mosaic):
    field, image = mosaic
    before = image.data.copy()
    # Drizzling widens stars: 2.2 pixel, their pixels' size, drop and grid make 2.6.
    result = SourceCatalog(npixels=10, centroid="windowed")(image, **references(2.62))
    np.testing.assert_array_equal(image.data, before)
    table = result.cat.table
    x, y = image.wcs.invert(field.ra, field.dec, with_bounding_box=False)
    good = alone(x, y, 12) & (field.flux > 100)
    assert good.sum() >= 4
    area = field.group.members[0].meta["photometry.pixelarea_steradians"]
    for k in np.flatnonzero(good):
        row = table[np.argmin(np.hypot(table["xcentroid"] - x[k], table["ycentroid"] - y[k]))]
        assert row["xcentroid"] == pytest.approx(x[k], abs=0.04)
        assert row["ycentroid"] == pytest.approx(y[k], abs=0.04)
        true = field.flux[k] * area * 1e6
        assert row["aper_total_flux"].value == pytest.approx(true, rel=0.05)
        assert row["isophotal_flux"].value == pytest.approx(true, rel=0.05)
        magnitude = -2.5 * np.log10(row["aper_total_flux"].value / 3631)
        assert row["aper_total_abmag"] == pytest.approx(magnitude, abs=1e-3)
        assert row["aper_total_vegamag"] == pytest.approx(row["aper_total_abmag"] - 4.4, abs=1e-6)
        assert row["CI_50_30"] == pytest.approx(5 / 3, rel=0.1)
        assert not row["is_extended"]
        assert row["sky_centroid"].dec.deg == pytest.approx(field.dec[k], abs=0.04 * SCALE / 3600)
        assert result.segm.data[round(float(y[k])), round(float(x[k]))] == row["label"]
    assert table["aper30_flux"].unit == "Jy"
    assert result.segm.data.dtype == np.uint32
    assert result.segm.data.max() == len(table)


def test_the_box_on_the_sky_holds_the_segment(mosaic):
    _, image = mosaic
    result = SourceCatalog(npixels=10)(image, **references())
    row = result.cat.table[0]
    rows, columns = np.nonzero(result.segm.data == row["label"])
    for name, column, line in (
        ("ll", columns.min() - 0.5, rows.min() - 0.5), ("ur", columns.max() + 0.5, rows.max() + 0.5),
    ):  # fmt: skip
        corner = row[f"sky_bbox_{name}"]
        x, y = image.wcs.invert(corner.ra.deg, corner.dec.deg, with_bounding_box=False)
        assert (float(x), float(y)) == pytest.approx((column, line), abs=1e-5)


def test_star_finders_give_the_same_columns(mosaic, tmp_path):
    _, image = mosaic
    segments = SourceCatalog(npixels=10)(image, **references())
    stars = SourceCatalog(starfinder="dao", roundlo=-1.0, roundhi=1.0, sharplo=0.2)(
        image, **references()
    )
    assert stars.segm is None
    assert stars.cat.table.colnames == segments.cat.table.colnames
    assert np.isnan(stars.cat.table["isophotal_area"]).all()
    segments.cat.table.write(tmp_path / "cat.ecsv")


def test_extended_sources_are_told_apart(mosaic):
    _, image = mosaic
    y, x = np.mgrid[: image.data.shape[0], : image.data.shape[1]]
    middle = image.data.shape[1] // 2, image.data.shape[0] // 2
    blob = 3 * np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / 2 / 6.0**2)
    clean = image.replace(
        data=np.where(np.isnan(image.data), image.data, 1 + blob).astype(np.float32)
    )
    table = SourceCatalog()(clean, **references()).cat.table
    row = table[np.argmax(table["isophotal_flux"])]
    assert row["is_extended"] == (row["CI_50_30"] > 2.0 and row["CI_70_50"] > 1.8)
    assert row["semimajor_sigma"].value == pytest.approx(6.0, rel=0.25)


def test_radii_scale_with_pixels(mosaic):
    _, image = mosaic
    finer = image.replace(meta=image.meta.set({"resample.pixel_scale_ratio": 0.5}))
    usual = SourceCatalog()(image, **references()).cat.table.meta["aperture_radii"]
    double = SourceCatalog()(finer, **references()).cat.table.meta["aperture_radii"]
    np.testing.assert_allclose(double, 2 * np.array(usual))


def test_what_the_catalogue_refuses(mosaic):
    _, image = mosaic
    other = image.replace(meta=image.meta.set({"instrument.filter": "F9"}))
    with pytest.raises(ReferenceInvalid, match="has no row for F9 at 30, 50, 70 %"):
        SourceCatalog()(other, **references())
    with pytest.raises(ReferenceInvalid, match="choose aperture_ee1, 2, 3 of these"):
        SourceCatalog(aperture_ee1=33)(image, **references())
    with pytest.raises(StepSkipped, match="no source was found"):
        SourceCatalog(snr_threshold=1e6)(image, **references())
    with pytest.raises(StepSkipped, match="the mosaic has no errors"):
        SourceCatalog()(image.replace(err=None), **references())


# Metadata of many.


def test_blending_metadata():
    metas = [
        Meta({"observation.date_beg": "2020-02-01", "exposure.mid_time": 1.0, "instrument.band": "A",
              "target.ra": 1.0}),
        Meta({"observation.date_beg": "2020-01-01", "exposure.mid_time": 3.0, "instrument.band": "B",
              "program.title": "t"}),
    ]  # fmt: skip
    meta = blend(metas)
    assert meta["observation.date_beg"] == "2020-01-01"
    assert meta["exposure.mid_time"] == 2.0
    assert meta["instrument.band"] == "MULTIPLE"
    assert meta["target.ra"] == 1.0
    assert "program.title" not in meta
    assert "exposure.exposure_time" not in meta
    table = header_table(metas)
    assert table["program.title"].tolist() == ["", "t"]
    assert np.isnan(table["target.ra"][1])


def test_exposures_without_identifiers_stand_alone():
    assert by_exposure([Meta({}), Meta({}), Meta({"group_id": "a"}), Meta({"group_id": "a"})]) == [
        [0], [1], [2, 3],
    ]  # fmt: skip
