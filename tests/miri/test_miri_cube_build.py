"""Cubes of MIRI's image slicers: which there are, and what they hold."""

import numpy as np
import pytest
from astropy.wcs import WCS

from calcore.errors import BadParameter, CalcoreError, Doubtful, ReferenceInvalid
from calcore.flags import DQ
from calcore.io import open as read
from calcore.io import write
from calcore.model import Group, Image, Meta
from calcore.model.cube import Cube
from calcore.model.reference import UserOffsets
from calcore.testing import Case, StepContract
from calcore.wcs.plain import Polynomial
from calcore.wcs.pointing import Pointing
from calcore.wcs.slicer import Field, Slice, SlicedCoordinates
from calcore_miri import INSTRUMENT
from calcore_miri.references import CubeParameters
from calcore_miri.steps.cube_build import CubeBuild

SHAPE = (30, 60)
SIZES = [("channel", "U2"), ("band", "U12"), ("spaxelsize", "f4"), ("spectralstep", "f4"),
         ("wavemin", "f4"), ("wavemax", "f4")]  # fmt: skip
NEAR = [("channel", "U2"), ("band", "U12"), ("roispatial", "f4"), ("roispectral", "f4")]


def linear(constant, first, second, shift=(0.0, 0.0)):
    return Polynomial(np.array([[constant, second], [first, 0.0]]), shift)


def exposure(band="SHORT", offset=0.0, value=2.0, reach=1.0, **planes):
    """Two channels of three slices, eight pixels wide, 0.1 arcsec a pixel, 0.2 a slice."""
    labels, slices, fields = np.zeros(SHAPE, np.int32), [], []
    for place, shortest in enumerate((5.0, 8.0)):
        for number in range(3):
            left = 2 + 10 * (3 * place + number)
            labels[:, left : left + 8] = 100 * (place + 1) + number + 1
            alpha = linear(0.0, 0.0, 0.1, (0.0, -(left + 3.5)))
            beta = Polynomial(np.array([[0.2 * (number - 1)]]))
            slices.append(
                Slice(
                    number=100 * (place + 1) + number + 1, field=place,
                    place=(alpha, beta, linear(shortest, 0.01, 0.0)),
                    back=(linear(left + 3.5, 0.0, 10.0), linear(-100 * shortest, 100.0, 0.0)),
                )
            )  # fmt: skip
        way = linear(-503.0, 1.0, 0.0), linear(-319.0, 0.0, -1.0)
        fields.append(
            Field(
                number=place + 1, wavelengths=(shortest, shortest + reach), to_telescope=way,
                back=(linear(503.0, 1.0, 0.0), linear(-319.0, 0.0, -1.0)),
            )
        )  # fmt: skip
    pointing = Pointing(
        ra_deg=10.0 + offset, dec_deg=-69.0, roll_deg=30.0, v2_arcsec=-503.0, v3_arcsec=-319.0
    )
    meta = Meta(
        {
            "instrument.name": "MIRI", "instrument.detector": "MIRIFUSHORT",
            "exposure.type": "MIR_MRS", "instrument.band": band, "instrument.channel": "12",
            "subarray.fastaxis": 1, "subarray.slowaxis": 2, "filename": "jw1_cal.fits",
            "bunit_data": "MJy/sr", "wcsinfo.ra_ref": 10.0,
        }
    )  # fmt: skip
    own = {
        "data": np.full(SHAPE, value, np.float32), "err": np.full(SHAPE, 0.5, np.float32),
        "dq": np.zeros(SHAPE, np.uint32), **planes,
    }  # fmt: skip
    wcs = SlicedCoordinates(
        labels=labels, slices=tuple(slices), fields=tuple(fields), pointing=pointing
    )
    return Image(meta=meta.with_facts(INSTRUMENT.facts(meta)), wcs=wcs, **own)


def parameters(**changes):
    bands = [(str(channel), band) for channel in (1, 2) for band in ("short", "medium")]
    start = {("1", "short"): 5.0, ("1", "medium"): 5.2, ("2", "short"): 8.0, ("2", "medium"): 8.2}
    sizes = [(*key, 0.1, 0.01, start[key], start[key] + 0.295) for key in bands]
    given = {
        "sizes": np.array(sizes, SIZES),
        "powers": np.array([(*key, 0.2, 0.02, 2.0, 0.01) for key in bands],
                           [*NEAR, ("power", "f4"), ("softrad", "f4")]),
        "exponentials": np.array([(*key, 0.2, 0.02, 0.1) for key in bands],
                                 [*NEAR, ("scalerad", "f4")]),
    }  # fmt: skip
    return CubeParameters(meta=Meta({}), **{**given, **changes})


def cubes(*exposures, **settings):
    return CubeBuild(**settings)(Group("product", exposures), cubepar=parameters()).parts


class TestCubeBuild(StepContract):
    def case(self):
        group = Group("product", (exposure(), exposure(offset=1e-5)))
        return Case(CubeBuild(), group, {"cubepar": parameters(), "useroffsets": None})


@pytest.mark.parametrize("weighting", ["drizzle", "emsm", "msm"])
def test_uniform_light_makes_uniform_cubes(weighting):
    made = cubes(exposure(), weighting=weighting)
    assert list(made) == ["ch1-short", "ch2-short"]
    for cube, shortest in zip(made.values(), (5.0, 8.0), strict=True):
        seen = np.isfinite(cube.data)
        assert seen[10, 5, 6]
        np.testing.assert_allclose(cube.data[seen], 2.0, rtol=1e-6)
        assert (cube.err[seen] > 0).all()
        assert set(np.unique(cube.dq[~seen])) == {int(DQ.DO_NOT_USE | DQ.NON_SCIENCE)}
        np.testing.assert_array_equal(cube.wmap > 0, seen)
        assert cube.meta["wcsinfo.crval3"] == pytest.approx(shortest + 0.005)
        assert cube.data.shape[0] == 30


def test_pixels_that_are_flagged_or_nan_do_not_count():
    data = np.full(SHAPE, 2.0, np.float32)
    dq = np.zeros(SHAPE, np.uint32)
    data[12, 14], dq[14, 14], dq[16, 14] = np.nan, 1, 4
    data[14, 14], data[16, 14] = 1e6, 1e3
    cube = cubes(exposure(data=data, dq=dq), channel="1")["ch1-short"]
    assert 100 < np.nanmax(cube.data[15:18]) < 1e3
    assert np.nanmax(cube.data[:15]) == pytest.approx(2.0)
    assert cube.wmap[12].sum() < cube.wmap[9].sum()


def test_bands_of_a_channel_make_one_cube_if_asked():
    made = cubes(exposure(), exposure("MEDIUM", value=4.0), output_type="channel", channel="1")
    assert list(made) == ["ch1-shortmedium"]
    assert made["ch1-shortmedium"].data.shape[0] == pytest.approx(50, abs=1)
    assert list(cubes(exposure(), exposure("MEDIUM"), band="medium")) == [
        "ch1-medium",
        "ch2-medium",
    ]


def test_slices_lie_along_rows_if_asked():
    north, along = (
        cubes(exposure(), channel="1", coord_system=system)["ch1-short"]
        for system in ("skyalign", "ifualign")
    )
    assert along.meta["wcsinfo.pc1_1"] != north.meta["wcsinfo.pc1_1"]
    assert along.data.shape[1:] == (9, 11)  # 0.4 arcsec across, 0.7 along
    turned = cubes(exposure(), channel="1", cube_pa=90.0, nspax_x=4, ra_center=10.0)["ch1-short"]
    assert turned.data.shape[2] == 5
    assert turned.meta["wcsinfo.crval1"] == 10.0


def test_threads_change_nothing():
    from calcore.step import Room

    group = Group("product", (exposure(), exposure(offset=2e-5)))
    one, two = (
        CubeBuild()(group, cubepar=parameters(), room=Room(threads)).parts["ch1-short"]
        for threads in (1, 2)
    )
    for name in ("data", "err", "dq", "wmap"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_cubes_survive_a_file_and_open_in_astropy(tmp_path):
    cube = cubes(exposure())["ch1-short"]
    path = tmp_path / "product_ch1-short_s3d.fits"
    write(cube, path)
    again = read(path)
    assert isinstance(again, Cube)
    np.testing.assert_array_equal(again.data[...], cube.data)
    header = WCS(dict(again.meta.items()) and _header(path))
    ra, dec, wavelength = header.pixel_to_world_values(3, 4, 10)
    own = cube.wcs(3, 4, 10)
    assert (ra, dec) == pytest.approx(own[:2], abs=1e-9)
    assert wavelength * 1e6 == pytest.approx(own[2], abs=1e-9)


def _header(path):
    from astropy.io import fits

    return fits.getheader(path, "SCI")


def test_coordinates_may_come_from_a_file(tmp_path):
    path = tmp_path / "jw1_cal.fits"
    write(exposure(), path)
    again = read(path, Image).loaded()
    meta = again.meta.with_facts(INSTRUMENT.facts(again.meta))
    one, other = (cubes(image)["ch2-short"] for image in (exposure(), again.replace(meta=meta)))
    np.testing.assert_allclose(one.data, other.data, rtol=1e-6)


def test_what_cannot_be_done_is_said():
    with pytest.raises(BadParameter, match=r"no exposure is of cube_build\.channel 3"):
        cubes(exposure(), channel="3")
    with pytest.raises(BadParameter, match="not less than wavemax"):
        CubeBuild(wavemin=6.0, wavemax=5.0)
    with pytest.raises(BadParameter, match="wavemin is nan; it must lie in 0 to 1000"):
        CubeBuild(wavemin=float("nan"))
    for beyond in ({"wavemin": 20.0}, {"wavemax": 1.0}):
        with pytest.raises(BadParameter, match=r"a cube would be of .* um; choose among these"):
            cubes(exposure(), **beyond)
    for huge in ({"scalexy": 1e-6}, {"scalew": 1e-9}, {"nspax_x": 10**9}):
        with pytest.raises(BadParameter, match=r"voxels, more than 1e\+09; look at cube_build"):
            cubes(exposure(), **huge)
    with pytest.raises(ReferenceInvalid, match="no row for channel 1, band long"):
        cubes(exposure("LONG"))
    few = parameters(powers=None)
    with pytest.raises(ReferenceInvalid, match="table of powers has no row"):
        CubeBuild(weighting="msm")(Group("product", (exposure(),)), cubepar=few)
    with pytest.raises(CalcoreError, match="has no world coordinates; run assign_wcs"):
        cubes(exposure().replace(wcs=None))


def test_exposures_are_moved_as_the_user_says():
    def offsets(**changes):
        told = {"files": ["jw1_cal.fits"], "east": [1.8], "north": [-0.9], "units": "arcsec"}
        return UserOffsets(meta=Meta({}), **{**told, **changes})

    def made(given):
        group = Group("product", (exposure(),))
        return CubeBuild(channel="1")(group, cubepar=parameters(), useroffsets=given).parts[
            "ch1-short"
        ]

    plain, moved = made(None), made(offsets())
    for axis, arcsec in (("crval1", 1.8 / np.cos(np.radians(-69.0))), ("crval2", -0.9)):
        step = moved.meta[f"wcsinfo.{axis}"] - plain.meta[f"wcsinfo.{axis}"]
        assert step * 3600 == pytest.approx(arcsec, abs=1e-3)
    # What a star is in is the same, a thousandth of an arcsec aside.
    np.testing.assert_allclose(moved.data, plain.data, rtol=1e-5)
    for said, changes in {
        "but not jw1_cal.fits; add it": {"files": ["other.fits"]},
        "1 names under filename, 2 numbers under": {"east": [1.0, 2.0]},
        "in units 'deg'; give offsets in 'arcsec'": {"units": "deg"},
        "by 'far' and -0.9; give numbers": {"east": ["far"]},
    }.items():
        with pytest.raises(ReferenceInvalid, match=said):
            made(offsets(**changes))


def test_what_of_exposures_contributes_nothing_is_told():
    data, dq = np.full(SHAPE, 2.0, np.float32), np.zeros(SHAPE, np.uint32)
    data[:, 12:20], dq[:, 22:30] = np.nan, 1
    with pytest.warns(Doubtful, match=r"NaN .* in slices 102, 103 of jw1_cal\.fits$"):
        cubes(exposure(), exposure(data=data, dq=dq), channel="1")
    with pytest.warns(Doubtful, match=r"in any slice of jw1_cal\.fits$"):
        cubes(exposure(), exposure(data=np.full_like(data, np.nan)), channel="2")


def test_bands_beyond_the_wavelengths_asked_for_are_left_out():
    with pytest.warns(
        Doubtful, match=r"wavemax 6\.0 um leave nothing of ch2-short \(8\.00 to 8\.30"
    ):
        assert list(cubes(exposure(), wavemax=6.0)) == ["ch1-short"]


def test_planes_are_those_of_the_table_if_they_are_not_to_be_linear():
    table = np.zeros(60, [("wavelength", "f8")])
    table["wavelength"] = np.concatenate([5.0 + 0.01 * np.arange(30), 8.0 + 0.02 * np.arange(30)])
    (cube,) = CubeBuild(linear_wave=False, channel="1")(
        Group("product", (exposure(),)), cubepar=parameters(all_sizes=table)
    ).parts.values()
    assert cube.meta["wcsinfo.ctype3"] == "WAVE-TAB"
    np.testing.assert_allclose(cube.wavetable["wavelength"].ravel()[:30], table["wavelength"][:30])
    assert np.nanmedian(cube.data) == pytest.approx(2.0)


def test_cubes_tell_how_exposures_that_share_a_background_lie():
    def less_background(part, **told):
        image = exposure(**told)
        return image.replace(meta=image.meta.set({"background.noise_share": part}))

    # 0.2 arcsec to the east, at most of what two channels and two bands have.
    east = 0.2 / 3600 / np.cos(np.radians(-69))
    pair = less_background(0.5), less_background(0.125, offset=east)
    first, second = cubes(*pair).values()
    for cube in (first, second):
        ((x, y, part),) = cube.shared
        assert np.hypot(x, y) == pytest.approx(2, abs=1e-3)  # spaxels of 0.1 arcsec
        assert part == pytest.approx(0.25)
    band = {"band": "MEDIUM", "reach": 1.2}
    other = less_background(0.5, **band), less_background(0.5, **band, offset=east)
    together = cubes(*pair, *other, output_type="channel")["ch1-shortmedium"]
    # Bands have other pixels, and nothing in common.
    np.testing.assert_allclose(together.shared[:, 2], [0.125, 0.25])
    assert cubes(exposure(), exposure(offset=east))["ch1-short"].shared is None
    assert cubes(pair[0])["ch1-short"].shared is None
