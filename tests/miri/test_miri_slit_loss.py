"""Light of point sources that does not enter the slit of the low-resolution spectrometer."""

import numpy as np
import pytest

from calcore.errors import CalcoreError, Doubtful, ReferenceInvalid, StepSkipped
from calcore.flags import DQ
from calcore.kernels.slit_loss import at_place
from calcore.model import Meta
from calcore.testing import Case, StepContract
from calcore.testing.spectra import MARGIN, SHAPE, a_slit
from calcore_miri import INSTRUMENT
from calcore_miri.references import SlitLossMap
from calcore_miri.steps.slit_loss import SlitLoss

MIDDLE = (SHAPE[1] - 1) / 2, float(SHAPE[0] // 2)
WAVELENGTHS = np.linspace(13, 6, 8)
GRID = {"crpix1": 6.0, "crpix2": 4.0, "crval1": 0.0, "crval2": 0.0, "cdelt1": 1.0, "cdelt2": 1.0}


def exposure(kind="POINT", **more):
    slit = a_slit(target__source_type=kind, target__ra=10.0, target__dec=20.0, **more)
    names = {
        "instrument.name": "MIRI", "instrument.detector": "MIRIMAGE",
        "exposure.type": "MIR_LRS-FIXEDSLIT",
    }  # fmt: skip
    meta = slit.meta.set(names)
    return slit.replace(meta=meta.with_facts(INSTRUMENT.facts(meta)))


def references(keys=GRID, **columns):
    row, column = np.mgrid[0:7, 0:11]
    maps = 2 + 0.01 * column + 0.1 * row + 0.05 * WAVELENGTHS[:, None, None]
    table = np.zeros(8, [("wavelength", "f4"), ("pathloss", "f4", (7, 11))])
    table["wavelength"], table["pathloss"] = WAVELENGTHS, maps
    meta = Meta({f"loss_map.{name}": value for name, value in keys.items()})
    return {"pathloss": SlitLossMap(meta=meta, table=columns.get("table", table))}


class TestSlitLoss(StepContract):
    def case(self):
        return Case(SlitLoss(), exposure(), references())


def expected(slit, column=5.0, row=3.0):
    known = (slit.wavelength >= 6) & (slit.wavelength <= 13)
    factor = 2 + 0.01 * column + 0.1 * row + 0.05 * slit.wavelength
    return np.where(known, factor, np.nan)


def test_a_source_in_the_middle_of_the_slit():
    slit = exposure()
    result = SlitLoss()(slit, **references())
    factor = expected(slit)
    np.testing.assert_allclose(result.pathloss_point, factor, rtol=1e-5)
    good = np.isfinite(slit.data) & (slit.dq & DQ.DO_NOT_USE == 0) & np.isfinite(factor)
    np.testing.assert_allclose(result.data[good], (slit.data * factor)[good], rtol=1e-5)
    ratio = (result.var_rnoise / slit.var_rnoise)[good]
    np.testing.assert_allclose(ratio, factor[good] ** 2, rtol=1e-5)
    assert np.isnan(result.data[~good]).all()
    assert (result.dq[~good] & DQ.DO_NOT_USE).all()


def test_a_source_beside_the_middle():
    slit = exposure()
    ra, dec, _ = slit.wcs(MIDDLE[0] + 2, float(MARGIN))
    moved = slit.replace(meta=slit.meta.set({"target.ra": ra, "target.dec": dec}))
    result = SlitLoss(user_slit_loc=0.15)(moved, **references())
    np.testing.assert_allclose(result.pathloss_point, expected(slit, 7.0, 4.5), rtol=1e-5)
    found = {"slit.source_xpos": MIDDLE[0] - 1, "slit.source_ypos": MIDDLE[1] + 0.5}
    measured = slit.replace(meta=moved.meta.set(found))
    result = SlitLoss()(measured, **references())
    np.testing.assert_allclose(result.pathloss_point, expected(slit, 4.0, 3.5), rtol=1e-5)


def test_inverse_takes_it_back():
    there = SlitLoss()(exposure(), **references())
    back = SlitLoss(inverse=True)(there, **references())
    good = np.isfinite(there.data)
    np.testing.assert_allclose(back.data[good], exposure().data[good], rtol=1e-6)


def test_outside_of_the_map_the_middle_is_taken():
    slit = exposure()
    far = slit.replace(meta=slit.meta.set({"target.ra": 10.01}))
    with pytest.warns(Doubtful, match="along and 0.0 across the slit from its middle"):
        result = SlitLoss()(far, **references())
    np.testing.assert_allclose(result.pathloss_point, expected(slit), rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "given"), [("EXTENDED", None), (None, None), ("POINT", "EXTENDED")]
)
def test_sources_that_fill_the_slit_are_left_alone(kind, given):
    with pytest.raises(StepSkipped, match="no point source"):
        SlitLoss(source_type=given)(exposure(kind), **references())


def test_what_is_missing_is_said():
    slit = exposure()
    lost = slit.replace(meta=slit.meta.set({"target.ra": None}))
    with pytest.raises(CalcoreError, match="where the target is"):
        SlitLoss()(lost, **references())
    with pytest.raises(CalcoreError, match="no world coordinates; run assign_wcs"):
        SlitLoss()(slit.replace(wcs=None), **references())
    with pytest.raises(ReferenceInvalid, match="a map for each wavelength"):
        SlitLoss()(slit, **references(keys={}))
    with (
        pytest.warns(Doubtful, match="losses are not known"),
        pytest.raises(ReferenceInvalid, match="leave out the middle"),
    ):
        SlitLoss()(slit, **references(keys=GRID | {"crpix1": -3.0}))


def test_maps_are_interpolated_between_four_pixels():
    planes = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_allclose(at_place(planes, 1.25, 0.5), [3.25, 15.25])
    np.testing.assert_allclose(at_place(planes, 0.0, 0.0), [0, 12])
    for place in ((-0.1, 0), (3.0, 0), (0, 2.0), (0, -0.1)):
        assert at_place(planes, *place) is None
