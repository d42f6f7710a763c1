"""World coordinates of the low-resolution spectrometer, from references as CRDS serves them."""

import numpy as np
import pytest
from astropy.modeling.models import Scale, Shift

from calcore.errors import ReferenceInvalid, StepSkipped
from calcore.model import Image, Meta
from calcore.model.reference import Distortion
from calcore.testing import Case, StepContract
from calcore_miri import INSTRUMENT
from calcore_miri.references import SlitTrace
from calcore_miri.steps.assign_slit_wcs import AssignSlitWcs

SHAPE = (40, 60)
META = {
    "instrument.name": "MIRI", "instrument.detector": "MIRIMAGE",
    "exposure.type": "MIR_LRS-FIXEDSLIT", "instrument.filter": "P750L", "subarray.xstart": 1,
    "subarray.ystart": 1, "subarray.fastaxis": 1, "subarray.slowaxis": 2, "wcsinfo.ra_ref": 10.0,
    "wcsinfo.dec_ref": 20.0, "wcsinfo.roll_ref": 0.0, "wcsinfo.v2_ref": -415.0,
    "wcsinfo.v3_ref": -400.0, "wcsinfo.v3yangle": 0.0, "wcsinfo.vparity": -1,
}  # fmt: skip
ROWS = np.arange(-10.0, 11.0)[::-1]
PLACES = {"x_ref": 31.0, "y_ref": 21.0, "x_ref_slitless": 21.0, "y_ref_slitless": 21.0}


def trace(places=PLACES, **columns):
    made = {
        "x_center": 0.01 * ROWS, "y_center": ROWS, "wavelength": 10 - 0.4 * ROWS,
        **{f"x{n}": ROWS * 0 + (-8.2 if n in (0, 3) else 7.6) for n in range(4)},
        **{f"y{n}": ROWS + (0.5 if n < 2 else -0.5) for n in range(4)}, **columns,
    }  # fmt: skip
    table = np.zeros(len(made["y_center"]), [(name, "f8") for name in made])
    for name, values in made.items():
        table[name] = values
    return SlitTrace(meta=Meta(places), table=table)


def references(**given):
    # Columns run west, rows north, 0.1 arcsec each; the slit's middle is the reference point.
    model = Shift(-30) & Shift(-20) | Scale(-0.1) & Scale(0.1) | Shift(-415) & Shift(-400)
    model.bounding_box = (0, 20), (0, 20)
    return {"distortion": Distortion(meta=Meta({}), model=model), "specwcs": trace(), **given}


def image(**changes):
    meta = Meta({**META, **changes})
    plane = np.ones(SHAPE, np.float32)
    return Image(
        meta=meta.with_facts(INSTRUMENT.facts(meta)),
        data=plane, err=plane, dq=np.zeros(SHAPE, np.uint32),
    )  # fmt: skip


class TestAssignSlitWcs(StepContract):
    def case(self):
        return Case(AssignSlitWcs(), image(), references())


def test_middle_of_the_slit_and_its_wavelengths():
    result = AssignSlitWcs()(image(), **references())
    assert result.wcs(30, 20) == pytest.approx((10, 20, 10), abs=1e-9)
    # A column more is 0.1 arcsec further west; light of higher rows is of shorter wavelength, leans to
    # the right, and comes from the slit as well.
    ra, dec, wavelength = result.wcs(31.05, 25)
    assert (ra - 10) * 3600 * np.cos(np.radians(20)) == pytest.approx(-0.1, abs=1e-6)
    assert (dec, wavelength) == pytest.approx((20, 8.0), abs=1e-9)
    assert result.wcs.invert(ra, dec, wavelength, with_bounding_box=False) == pytest.approx(
        (31.05, 25), abs=1e-6
    )
    alpha, beta, _ = result.wcs.transform("detector", "alpha_beta", 31.05, 25)
    assert (alpha, beta) == pytest.approx((0.1, 0), abs=1e-9)
    assert result.meta["wcsinfo.specsys"] == "TOPOCENT"
    assert result.meta["wcsinfo.dispersion_direction"] == 2


def test_only_the_slit_has_wavelengths():
    wavelength = AssignSlitWcs()(image(), **references()).wavelength
    assert wavelength[25, 30] == pytest.approx(8.0)
    lit = np.isfinite(wavelength)
    assert (lit.any(axis=1).nonzero()[0][[0, -1]] == [10, 30]).all()
    assert (lit.any(axis=0).nonzero()[0][[0, -1]] == [21, 38]).all()


def test_without_a_slit_all_columns_but_those_for_reference_have_wavelengths():
    result = AssignSlitWcs()(image(**{"exposure.type": "MIR_LRS-SLITLESS"}), **references())
    lit = np.isfinite(result.wavelength)
    assert (lit.any(axis=0).nonzero()[0][[0, -1]] == [4, 59]).all()
    assert result.wcs(20, 20) == pytest.approx((10 + 1 / 3600 / np.cos(np.radians(20)), 20, 10))
    assert "dither.dithered_ra" not in result.meta


def test_sub_array_sees_its_part():
    whole = AssignSlitWcs()(image(), **references())
    moved = image(**{"subarray.xstart": 6, "subarray.ystart": 4})
    part = AssignSlitWcs()(moved, **references())
    np.testing.assert_allclose(part.wcs(25, 20), whole.wcs(30, 23), atol=1e-12)
    np.testing.assert_array_equal(part.wavelength[:30, :50], whole.wavelength[3:33, 5:55])


def test_known_velocity_moves_wavelengths_to_the_barycentre():
    moving = AssignSlitWcs()(image(**{"wcsinfo.velosys": 29979.2458}), **references())
    assert moving.wcs(30, 20)[2] == pytest.approx(10 / 1.0001, rel=1e-12)
    assert moving.wcs.invert(*moving.wcs(30, 20), with_bounding_box=False) == pytest.approx(
        (30, 20), abs=1e-6
    )
    assert moving.meta["wcsinfo.specsys"] == "BARYCENT"


def test_dither_along_the_slit_is_told():
    result = AssignSlitWcs()(
        image(**{"dither.x_offset": 2.0, "dither.y_offset": 0.5}), **references()
    )
    # x of the slit's own frame runs against V2, which is east at this roll.
    east = (result.meta["dither.dithered_ra"] - 10) * 3600 * np.cos(np.radians(20))
    assert east == pytest.approx(-2.0, abs=1e-4)
    assert (result.meta["dither.dithered_dec"] - 20) * 3600 == pytest.approx(0.5, abs=1e-4)


def test_coordinates_survive_a_file(tmp_path):
    from calcore.io import open as read
    from calcore.io import write
    from calcore.model.slit import Slit

    result = AssignSlitWcs()(image(), **references())
    again = read(write(result, tmp_path / "jw1_cal.fits"), Slit)
    np.testing.assert_allclose(again.wcs(31, 25), result.wcs(31, 25), atol=1e-12)
    np.testing.assert_array_equal(again.wavelength, result.wavelength)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: trace(places={"x_ref": 3.0}), "does not say where the slit lies"),
        (lambda: trace(y_center=0 * ROWS), "some of them perhaps twice"),
        (lambda: trace(wavelength=10 + ROWS**2), "neither rise nor fall"),
    ],
)
def test_references_that_say_nothing_are_refused(made, said):
    with pytest.raises(ReferenceInvalid, match=said):
        AssignSlitWcs()(image(), **references(specwcs=made()))


def test_other_exposures_are_left_alone():
    with pytest.raises(StepSkipped, match="MIR_IMAGE is none of"):
        AssignSlitWcs()(image(**{"exposure.type": "MIR_IMAGE"}), **references())


def test_distortion_is_not_changed():
    given = references()
    AssignSlitWcs()(image(), **given)
    assert given["distortion"].model.has_user_bounding_box
