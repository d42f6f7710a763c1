"""Spectra of cubes: of a point source in a circle, and of everything."""

import numpy as np
import pytest

from calcore.errors import BadParameter, CalcoreError, DataUnusable, Doubtful, ReferenceInvalid
from calcore.flags import DQ
from calcore.kernels.cube_extraction import bridged, circles, covered, everything
from calcore.kernels.extrapolation import linear
from calcore.model import Meta
from calcore.model.cube import Cube
from calcore.model.reference import CubeApertureCorrection, CubeApertures
from calcore.steps.calibration.extract_cube import ExtractCube
from calcore.testing import Case, StepContract
from calcore.wcs.cube_grid import CubeGrid
from calcore.wcs.cube_planes import EvenPlanes
from calcore.wcs.tangent import TangentPlane

SHAPE = (6, 31, 33)
SIDE = 0.1
STERADIAN = 2.35e-13
WIDTH = 2.0


def a_cube(place=(15.3, 14.8), flux=1000.0, sky=4.0, **planes):
    """A Gaussian source [MJy/sr * spaxel in all] on a level sky, wavelength 5.0 to 5.05 um."""
    spacing = EvenPlanes(count=SHAPE[0], shortest_um=5.0, step_um=0.01)
    grid = CubeGrid(plane=TangentPlane(0.0001, 40.0, 20.0), size=SHAPE[1:], spaxel_arcsec=SIDE,
                    spacing=spacing)  # fmt: skip
    _, y, x = np.indices(SHAPE)
    square = (x - place[0]) ** 2 + (y - place[1]) ** 2
    source = flux / (2 * np.pi * WIDTH**2) * np.exp(-square / (2 * WIDTH**2))
    ra, dec, _ = grid.wcs(*place, 0)
    told = {"exposure.type": "IFU", "target.source_type": "POINT", "target.ra": float(ra),
            "target.dec": float(dec), "photometry.pixelarea_steradians": STERADIAN}  # fmt: skip
    given = {
        "data": (source + sky).astype("f4"), "err": np.full(SHAPE, 0.5, "f4"),
        "dq": np.zeros(SHAPE, "u4"), "wmap": np.ones(SHAPE, "f4"), **planes,
    }  # fmt: skip
    return Cube(meta=Meta(told), wcs=grid.wcs, **given)


def apertures(radius=0.5, inner=0.9, outer=1.3, **more):
    known = np.array([4.9, 5.1])
    vectors = {"wavelength": known, "radius": np.full(2, radius) * [1, 1.2]}
    vectors |= {"inner_bkg": np.full(2, inner), "outer_bkg": np.full(2, outer)}
    return CubeApertures(meta=Meta({}), vectors=vectors, subtract_background=True, **more)


def corrections():
    known = np.array([4.9, 5.0, 5.1])
    radii = np.linspace(0.2, 0.8, 31)[:, None] * np.ones(3)
    inside = 1 - np.exp(-((radii / SIDE / WIDTH) ** 2) / 2)
    table = {"wavelength": known, "radius": radii, "apcorr": 1 / inside}
    return CubeApertureCorrection(meta=Meta({}), table=table)


def extracted(cube, **settings):
    given = {"extract1d": apertures(), "apcorr": corrections()}
    given |= {name: settings.pop(name) for name in list(given) if name in settings}
    return ExtractCube(**settings)(cube, **given).spectra[0]


class TestExtractCubeContract(StepContract):
    def case(self):
        return Case(ExtractCube(), a_cube(), {"extract1d": apertures(), "apcorr": corrections()})


@pytest.mark.parametrize("place", [(15.3, 14.8), (16.0, 15.0), (15.5, 14.5)])
def test_all_of_a_point_source_is_found_wherever_it_is(place):
    spectrum = extracted(a_cube(place))
    np.testing.assert_allclose(spectrum.table["FLUX"], 1000 * STERADIAN * 1e6, rtol=3e-3)
    np.testing.assert_allclose(spectrum.table["BACKGROUND"], 4.0, rtol=1e-3)
    np.testing.assert_allclose(spectrum.table["WAVELENGTH"], 5 + 0.01 * np.arange(6))
    assert spectrum.meta["spectrum.extraction_x"] == pytest.approx(place[0], abs=1e-6)
    assert (spectrum.table["DQ"] == 0).all()
    radius = np.interp(spectrum.table["WAVELENGTH"], [4.9, 5.1], [0.5, 0.6]) / SIDE
    np.testing.assert_allclose(spectrum.table["NPIXELS"], np.pi * radius**2, rtol=1e-6)


def test_errors_are_those_of_sums(rng):
    """Scatter of many noisy planes; each is an own measurement of the same source."""
    planes = 400
    noise = rng.normal(0, 0.5, (planes, 31, 33)).astype("f4")
    radii, rings = np.full(planes, 4.3), (np.full(planes, 7.0), np.full(planes, 9.5))
    seen = np.ones(noise.shape, np.bool_)
    sums = circles(noise, np.full(noise.shape, 0.5, "f4"), seen, (15.2, 14.9), radii, rings)
    flux = sums.total - sums.area * sums.level
    told = np.sqrt(sums.variance + sums.area**2 * sums.level_variance)
    assert flux.std() == pytest.approx(told.mean(), rel=0.08)


def test_uniform_light_has_its_surface_brightness():
    cube = a_cube(flux=0.0, sky=3.0)
    for settings in ({"subtract_background": False, "apply_apcorr": False},
                     {"ifu_set_srctype": "EXTENDED"}):  # fmt: skip
        table = extracted(cube, **settings).table
        np.testing.assert_allclose(table["SURF_BRIGHT"], 3.0, rtol=1e-6)
        np.testing.assert_allclose(
            table["FLUX"], 3.0 * table["NPIXELS"] * STERADIAN * 1e6, rtol=1e-6
        )
    np.testing.assert_allclose(table["NPIXELS"], 31 * 33)
    np.testing.assert_allclose(table["BACKGROUND"], 3.0, rtol=1e-6)


def test_brightest_source_is_found():
    cube = a_cube((9.3, 18.6))
    cube = cube.replace(meta=cube.meta.set({"target.ra": None}))
    spectrum = extracted(cube, ifu_autocen=True)
    assert spectrum.meta["spectrum.extraction_x"] == pytest.approx(9.3, abs=0.02)
    assert spectrum.meta["spectrum.extraction_y"] == pytest.approx(18.6, abs=0.02)
    with pytest.raises(DataUnusable, match="no light to find a source in"):
        extracted(cube.replace(data=cube.data * np.float32(np.nan)), ifu_autocen=True)


def test_holes_are_filled_from_planes_beside_and_flagged():
    whole = a_cube()
    data, dq = whole.data.copy(), whole.dq.copy()
    data[2, 15, 15], dq[3, 14, 16], data[3, 14, 16] = np.nan, 1, 1e6
    data[4, 1, 1] = np.nan
    spectrum = extracted(whole.replace(data=data, dq=dq))
    np.testing.assert_allclose(spectrum.table["FLUX"], extracted(whole).table["FLUX"], rtol=1e-6)
    estimated = (spectrum.table["DQ"] & DQ.FLUX_ESTIMATED) != 0
    assert estimated.tolist() == [False, False, True, True, False, False]
    trusting = extracted(whole.replace(data=data), spaxels="trust").table
    assert np.isnan(trusting["FLUX"]).tolist() == [False, False, True, False, False, False]


def test_planes_without_light_are_flagged():
    cube = a_cube()
    wmap = cube.wmap.copy()
    wmap[:, :, :18] = 0
    wmap[5] = 0
    for settings, expected in (({}, np.nan), ({"spaxels": "trust"}, 0.0)):
        table = extracted(cube.replace(wmap=wmap), **settings).table
        np.testing.assert_array_equal(table["FLUX"][5], expected)
        assert table["DQ"][5] == DQ.DO_NOT_USE
    assert np.isnan(extracted(cube.replace(wmap=wmap)).table["FLUX"]).all()  # half a source


def test_outliers_of_the_ring_do_not_count():
    cube = a_cube(sky=0.0)
    noise = np.random.default_rng(1).normal(10, 1, SHAPE).astype("f4")
    data = cube.data + noise
    clean = extracted(cube.replace(data=data)).table["BACKGROUND"]
    data[:, 14, 26] = 1e4
    np.testing.assert_allclose(
        extracted(cube.replace(data=data)).table["BACKGROUND"], clean, atol=0.02
    )


def test_without_a_target_the_middle_is_extracted():
    cube = a_cube((16.0, 15.0))
    for changes in ({"target.ra": None}, {"target.ra": 3.0}):
        with pytest.warns(Doubtful, match="the cube's middle is extracted"):
            spectrum = extracted(cube.replace(meta=cube.meta.set(changes)))
        assert spectrum.meta["spectrum.extraction_x"] == 16.0
    given = extracted(cube, center_xy=(12.5, 11.0))
    assert given.meta["spectrum.extraction_x"] == 12.5
    assert extracted(cube, center_xy=(12.4, 11.0), centre="spaxel").meta[
        "spectrum.extraction_x"
    ] == 12.0  # fmt: skip


def test_overlaps_of_circles_are_those_of_areas():
    assert covered((21, 21), (10.2, 9.7), 4.0, ("exact", 10)).sum() == pytest.approx(16 * np.pi)
    assert covered((21, 21), (10.0, 10.0), 1.2, ("center", 10)).sum() == 5
    assert covered((21, 21), (10.2, 9.7), 4.0, ("subpixel", 20)).sum() == pytest.approx(
        16 * np.pi, rel=3e-3
    )


def test_gaps_are_filled_by_straight_lines():
    data = np.arange(8, dtype="f4")[:, None, None] * np.ones((1, 1, 2), "f4")
    bad = np.zeros(data.shape, np.bool_)
    bad[[2, 3], 0, 0], bad[[0, 1, 4, 5, 6], 0, 1] = True, True
    holes = np.where(bad, np.float32(np.nan), data)
    filled, _, left, made = bridged(holes, holes, bad, 2)
    np.testing.assert_allclose(filled[:, 0, 0], np.arange(8))
    assert left[:, 0, 1].tolist() == bad[:, 0, 1].tolist()
    assert made.sum() == 2


def test_nothing_has_no_level():
    sums = everything(
        np.ones((1, 3, 3), "f4"), np.ones((1, 3, 3), "f4"), np.zeros((1, 3, 3), np.bool_)
    )
    assert np.isnan(sums.total[0])
    assert sums.area[0] == 0


def test_straight_lines_go_on():
    np.testing.assert_allclose(
        linear(np.array([-1, 0.5, 3.0]), np.array([1.0, 0.0]), np.array([2.0, 0.0])), [-2, 1, 6]
    )
    assert linear(np.array([2.0]), np.array([1.0]), np.array([5.0])) == 5


def test_what_cannot_be_done_is_said():
    cube = a_cube()
    with pytest.raises(CalcoreError, match="no world coordinates; run cube_build"):
        extracted(cube.replace(wcs=None))
    with pytest.raises(ReferenceInvalid, match=r"make no circle at 5\.00 to 5\.05 um"):
        extracted(cube, extract1d=apertures(radius=-1.0))
    with pytest.raises(ReferenceInvalid, match="it has no radius and inner_bkg and outer_bkg"):
        extracted(cube, extract1d=CubeApertures(meta=Meta({}), vectors={"wavelength": [5.0]}))
    table = {"wavelength": [5.0, 5.1], "radius": [[0.3, 0.3]], "apcorr": [[1.2, 1.2]]}
    with pytest.raises(ReferenceInvalid, match="knows one radius only"):
        extracted(cube, apcorr=CubeApertureCorrection(meta=Meta({}), table=table))
    for wrong, said in (
        ({"wavelength": [5.0], "radius": [1.0]}, "apcorr: it has no apcorr"),
        (table | {"radius": [0.3]}, r"not \(radius, wavelength\) for 2 wavelengths"),
    ):
        with pytest.raises(ReferenceInvalid, match=said):
            extracted(cube, apcorr=CubeApertureCorrection(meta=Meta({}), table=wrong))
    for beside in ((1e9, 3.0), (float("nan"), 3.0)):
        with pytest.raises(BadParameter, match=r"center_xy is .*, 3, beside the cube of"):
            extracted(cube, center_xy=beside)


NEAR, APART = [(0, 0), (4, 1), (-2, 3)], [(0, 0), (11, 0)]


@pytest.mark.parametrize(
    ("shifts", "ring", "untold"), [(NEAR, False, 1.19), (NEAR, True, 1.16), (APART, True, 0.93)]
)
def test_noise_of_a_background_that_dithers_share_counts(rng, shifts, ring, untold):
    """Plain noise, less the same noisy background at other places; a ring there takes noise out."""
    number = len(shifts)
    part = 2 / number * 0.5  # of the variance, half is the background's
    rows = [(*np.subtract(b, a), part) for k, a in enumerate(shifts) for b in shifts[k + 1 :]]
    pulls = {"told": [], "untold": []}
    for _ in range(60):
        background = rng.normal(0, 1, SHAPE)
        seen = [
            rng.normal(0, 1, SHAPE) - np.roll(background, shift[::-1], axis=(1, 2))
            for shift in shifts
        ]
        planes = {"data": np.mean(seen, axis=0).astype("f4"),
                  "err": np.full(SHAPE, np.sqrt(2 / number), "f4")}  # fmt: skip
        for name, shared in (("told", np.array(rows, "f4")), ("untold", None)):
            table = extracted(
                a_cube(**planes, shared=shared), subtract_background=ring, apply_apcorr=False
            ).table
            pulls[name] += list(table["FLUX"] / table["FLUX_ERROR"])
    scatter = {name: np.std(values) for name, values in pulls.items()}
    assert scatter["told"] == pytest.approx(1, abs=0.08)
    assert scatter["untold"] == pytest.approx(untold, abs=0.08)


def test_errors_grow_by_what_spaxels_have_in_common():
    alone, shared = extracted(a_cube()), np.array([1, 1, 2, 2, 3, 3], np.float32)
    together = extracted(a_cube(correlation=shared))
    np.testing.assert_allclose(together.table["FLUX_ERROR"], shared * alone.table["FLUX_ERROR"])
    np.testing.assert_array_equal(together.table["FLUX"], alone.table["FLUX"])
    ignored = extracted(a_cube(correlation=shared), correlation="ignored", ifu_covar_scale=2.0)
    np.testing.assert_allclose(ignored.table["FLUX_ERROR"], 2 * alone.table["FLUX_ERROR"])
