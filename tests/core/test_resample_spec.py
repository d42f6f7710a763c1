"""Rectified spectra: their grid, and what they are made of."""

import asdf
import numpy as np
import pytest
from astropy.modeling.models import Identity, Mapping, Scale
from gwcs import WCS

from calcore.errors import BadParameter, CalcoreError, FileInvalid, KeywordInvalid, StepSkipped
from calcore.flags import DQ
from calcore.model import Group
from calcore.steps.combination.resample_spec import ResampleSpec
from calcore.testing import Case, StepContract
from calcore.testing.spectra import SHAPE, a_nod, a_slit
from calcore.wcs import frames
from calcore.wcs.rectified import rectified_grid
from calcore.wcs.tangent import TangentPlane

EMPTY = np.uint32(DQ.DO_NOT_USE | DQ.NON_SCIENCE)


class TestResampleSpec(StepContract):
    def case(self):
        return Case(ResampleSpec(), a_nod(2))


def alone(**more):
    return Group("one", (a_slit(**more),))


def uniform(value=3.0, **more):
    slit = a_slit(**more)
    plane = np.full_like(slit.data, value)
    dq = np.zeros_like(slit.dq)
    planes = dict.fromkeys(("err", "var_poisson", "var_rnoise"), plane)
    return slit.replace(data=plane, dq=dq, **planes)


def test_a_leaning_trace_becomes_straight():
    slit = a_slit()
    columns = np.arange(SHAPE[1])
    run = (np.arange(SHAPE[0]) - 4.0) / 39
    trace = np.exp(-(((columns - 14.5 - 1.5 * run[:, None] ** 2) / 2) ** 2))
    plane = trace.astype(np.float32)
    slit = slit.replace(data=plane, dq=np.zeros_like(slit.dq), err=plane)
    result = ResampleSpec(along="slit")(Group("a", (slit,))).data
    good = np.nan_to_num(result)
    centres = (good * np.arange(good.shape[1])).sum(axis=1) / good.sum(axis=1)
    assert np.ptp(centres) < 0.05
    assert np.ptp((plane * columns).sum(axis=1)[4:-4] / plane.sum(axis=1)[4:-4]) > 1.4


def test_wavelengths_are_those_of_the_exposure():
    group = alone()
    result = ResampleSpec()(group)
    lit = group.members[0].wavelength[:, 15]
    np.testing.assert_allclose(result.wavelength[:, 0], lit[np.isfinite(lit)])
    assert (np.diff(result.wavelength, axis=1) == 0).all()
    x, y = 7.0, 11.0
    assert result.wcs(x, y)[2] == pytest.approx(result.wavelength[11, 0], rel=1e-6)
    assert result.wcs.invert(*result.wcs(x, y), with_bounding_box=False) == pytest.approx((x, y))


def test_all_pixels_have_a_place_along_the_slit():
    slit = uniform()
    by_slit, by_axis = (ResampleSpec(along=one)(Group("a", (slit,))) for one in ("slit", "axis"))
    lit = np.isfinite(slit.wavelength).sum()
    assert by_slit.wht.sum() == pytest.approx(lit / 3.0, rel=1e-3)
    assert by_axis.wht.sum() < by_slit.wht.sum()


def brightest(result):
    return int(np.argmax(np.nan_to_num(result.data).mean(axis=0)))


def test_a_source_stays_where_it_is_when_the_slit_is_moved():
    result = ResampleSpec(along="slit")(a_nod(3))
    spread = [ResampleSpec(along="slit")(Group("a", (one,))) for one in a_nod(3).members]
    peak = brightest(result)
    sky = np.array(result.wcs(float(peak), 20.0)[:2])
    for one in spread:
        own = brightest(one)
        assert np.abs(np.array(one.wcs(float(own), 20.0)[:2]) - sky).max() * 3600 < 0.11
    assert result.con.max() == 7
    assert result.meta["resample.pointings"] == 3
    assert len(result.hdrtab) == 3


def test_brightness_stays_and_errors_shrink_with_exposures():
    slits = [uniform(seed=n, exposure__start_time=60000.0 + n) for n in (1, 2)]
    one, two = (ResampleSpec()(Group("a", tuple(slits[:n]))) for n in (1, 2))
    np.testing.assert_allclose(one.data[one.wht > 0], 3.0, rtol=1e-6)
    inner = np.s_[4:-4, 4:-4]
    np.testing.assert_allclose(two.var_rnoise[inner], one.var_rnoise[inner] / 2, rtol=1e-5)
    np.testing.assert_allclose(two.err[inner] ** 2, 3.0, rtol=1e-5)


def test_finer_pixels_catch_less_of_a_flux_but_are_as_bright():
    group = Group("a", (uniform(),))
    flux = uniform()
    flux = flux.replace(meta=flux.meta.set({"bunit_data": "MJy"}))
    bright = ResampleSpec(pixel_scale_ratio=2.0)(group)
    caught = ResampleSpec(pixel_scale_ratio=2.0)(Group("a", (flux,)))
    inner = np.s_[4:-4, 8:-8]
    np.testing.assert_allclose(bright.data[inner], 3.0, rtol=1e-6)
    np.testing.assert_allclose(caught.data[inner], 1.5, rtol=1e-6)
    np.testing.assert_allclose(caught.err[inner], bright.err[inner] / 2, rtol=1e-6)
    area = group.members[0].meta["photometry.pixelarea_steradians"]
    assert bright.meta["photometry.pixelarea_steradians"] == pytest.approx(area / 2)


@pytest.mark.parametrize("along", ["slit", "axis"])
def test_a_grid_from_a_file(tmp_path, along):
    group = a_nod(2)
    usual = ResampleSpec(along=along, pixel_scale_ratio=2.0)(group)
    path = tmp_path / "grid.asdf"
    asdf.AsdfFile({"wcs": usual.wcs}).write_to(path)
    again = ResampleSpec(along=along, output_wcs=str(path))(group)
    np.testing.assert_array_equal(np.isnan(again.data), np.isnan(usual.data))
    for name in ("data", "err", "wht", "var_rnoise", "wavelength"):
        np.testing.assert_allclose(getattr(again, name), getattr(usual, name), rtol=1e-4)
    np.testing.assert_array_equal(again.con, usual.con)
    for name in ("photometry.pixelarea_steradians", "resample.pixel_scale_ratio"):
        assert again.meta[name] == pytest.approx(usual.meta[name], rel=1e-5)
    part = ResampleSpec(along=along, output_wcs=str(path), output_shape=(9, 14))(group)
    # What falls half on its edge does not count.
    np.testing.assert_array_equal(part.data[:12, :7], again.data[:12, :7])
    np.testing.assert_allclose(part.wcs(8.0, 13.0), usual.wcs(8.0, 13.0))
    assert part.wcs.array_shape == (14, 9)


def test_a_file_without_a_spectrum_s_coordinates(tmp_path):
    path, group = tmp_path / "grid.asdf", a_nod(2)
    flat = WCS([(frames.detector(), Identity(2)), (frames.world(), None)])
    asdf.AsdfFile({"wcs": flat, "array_shape": (9, 9)}).write_to(path)
    with pytest.raises(FileInvalid, match="right ascension, declination and wavelength; give that"):
        ResampleSpec(output_wcs=str(path))(group)
    spectrum = ResampleSpec()(group).wcs
    spectrum.array_shape = spectrum.bounding_box = None
    asdf.AsdfFile({"wcs": spectrum}).write_to(path)
    with pytest.raises(FileInvalid, match="says nothing of its size; give output_shape as well"):
        ResampleSpec(output_wcs=str(path))(group)
    for sizes in ({"array_shape": (12, 7)}, {"pixel_shape": (7, 12)}):
        asdf.AsdfFile({"wcs": spectrum, **sizes}).write_to(path)
        assert ResampleSpec(output_wcs=str(path))(group).data.shape == (12, 7)


def test_size_of_pixels_is_as_asked():
    wcs = ResampleSpec(pixel_scale=0.2)(alone()).wcs
    (ra, dec, _), (other_ra, other_dec, _) = wcs(5.0, 9.0), wcs(6.0, 9.0)
    east = (other_ra - ra) * np.cos(np.radians(dec))
    assert np.hypot(east, other_dec - dec) * 3600 == pytest.approx(0.2, rel=1e-3)


def test_nan_and_flags():
    slit = uniform()
    data, dq = slit.data.copy(), slit.dq.copy()
    data[20, 12] = np.nan
    dq[30, 8] |= np.uint32(DQ.DO_NOT_USE)
    dq[25, 15] |= np.uint32(DQ.JUMP_DET)
    bad = slit.replace(data=data, dq=dq)
    result = ResampleSpec(propagate_dq=True)(Group("a", (bad,)))
    empty = result.wht == 0
    np.testing.assert_array_equal(np.isnan(result.data), empty)
    assert (result.dq[empty] & EMPTY == EMPTY).all()
    assert (result.dq & DQ.JUMP_DET).any()
    filled = ResampleSpec(fillval="-1")(Group("a", (bad,)))
    assert (filled.data[empty] == -1).all()
    ratio = ResampleSpec()(Group("a", (slit,))).wht.sum() - result.wht.sum()
    assert ratio == pytest.approx(2 / 3.0, rel=1e-2)


def test_wavelengths_of_other_exposures_lie_beyond_the_first():
    first = a_slit()
    wcs = a_slit().wcs
    moved = rectified_grid([first.wcs], [SHAPE], dispersion=2)
    assert len(moved.wavelengths) == 40
    longer = stretched(wcs, 1.01)
    both = rectified_grid([first.wcs, longer], [SHAPE, SHAPE], dispersion=2)
    assert (np.diff(both.wavelengths) < 0).all()
    assert both.wavelengths[0] == pytest.approx(14 * 1.01)
    assert both.wavelengths[-1] == pytest.approx(5)
    assert set(moved.wavelengths) < set(both.wavelengths)


def stretched(wcs, factor):
    """Return world coordinates with longer wavelengths."""

    last = wcs.pipeline[-2].transform | Identity(2) & Scale(factor)
    steps = [(step.frame, step.transform) for step in wcs.pipeline]
    made = WCS([*steps[:-2], (steps[-2][0], last), steps[-1]])
    made.bounding_box = wcs.bounding_box.bounding_box(order="F")
    return made


def test_light_may_be_dispersed_along_rows():

    slit = a_slit()
    steps = [(step.frame, step.transform) for step in slit.wcs.pipeline]

    turned = WCS([(steps[0][0], Mapping((1, 0)) | steps[0][1]), *steps[1:]])
    (x, y) = slit.wcs.bounding_box.bounding_box(order="F")
    turned.bounding_box = y, x
    across = rectified_grid([turned], [SHAPE[::-1]], dispersion=1)
    upright = rectified_grid([slit.wcs], [SHAPE], dispersion=2)
    assert across.shape == upright.shape[::-1]
    np.testing.assert_allclose(across.wavelength, upright.wavelength.T)
    np.testing.assert_allclose(across.wcs(12.0, 5.0), upright.wcs(5.0, 12.0), rtol=1e-12)
    pixels = across.map_from(turned, SHAPE[::-1]).on_rows()
    expected = upright.map_from(slit.wcs, SHAPE).on_rows()
    np.testing.assert_allclose(pixels[::-1].transpose(0, 2, 1), expected)


def test_a_plane_takes_places_back_to_the_sky():
    plane = TangentPlane(359.9999, -69.0, 33.0)
    ra, dec = plane.place(3.0, -40.0)
    x, y = plane.project(np.array(ra), np.array(dec))
    assert (x, y) == pytest.approx((3.0, -40.0), abs=1e-9)


def test_exposures_that_cannot_be_rectified():
    slit = a_slit()
    with pytest.raises(CalcoreError, match="no world coordinates of a spectrum; run assign_wcs"):
        ResampleSpec()(Group("a", (slit.replace(wcs=None),)))
    undirected = slit.replace(meta=slit.meta.set({"wcsinfo.dispersion_direction": None}))
    with pytest.raises(KeywordInvalid, match="DISPAXIS is None, but must be 1"):
        ResampleSpec()(Group("a", (undirected,)))
    with pytest.raises(StepSkipped, match="an image for each integration"):
        ResampleSpec()(Group("a", (a_slit((2, *SHAPE)),)))
    dark = slit.replace(dq=np.full_like(slit.dq, DQ.DO_NOT_USE))
    with pytest.raises(StepSkipped, match="all pixels are NaN"):
        ResampleSpec()(Group("a", (dark,)))
    with pytest.raises(BadParameter, match="output_shape is the size of what output_wcs describes"):
        ResampleSpec(output_shape=(20, 30))
    with pytest.raises(BadParameter, match=r"resample_spec.fillval must be NAN.*not 'none'"):
        ResampleSpec(fillval="none")


def test_a_rectified_spectrum_survives_a_file(tmp_path):
    from calcore.io import open as read
    from calcore.io import write
    from calcore.model.slit import RectifiedSlit

    result = ResampleSpec()(a_nod(2))
    again = read(write(result, tmp_path / "a_s2d.fits"))
    assert type(again) is RectifiedSlit
    assert again.meta["model_type"] == "SlitModel"
    np.testing.assert_array_equal(again.data, result.data)
    np.testing.assert_array_equal(again.wavelength, result.wavelength)
    np.testing.assert_allclose(again.wcs(3.0, 4.0), result.wcs(3.0, 4.0))
