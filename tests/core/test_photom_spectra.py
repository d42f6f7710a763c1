"""Flux calibration of spectra."""

import numpy as np
import pytest

from calcore.errors import CalcoreError, ReferenceInvalid
from calcore.flags import DQ
from calcore.kernels.by_wavelength import by_wavelength
from calcore.model import Meta
from calcore.model.reference import Photom
from calcore.steps.calibration.photom_spectra import PhotomSpectra
from calcore.testing import Case, StepContract
from calcore.testing.spectra import SHAPE, a_slit

WAVELENGTHS = np.array([6.0, 8.0, 12.0, 0.0])


def photom(rows=(("PRISM", "FULL", 2.0, 3),), wavelengths=WAVELENGTHS, **more):
    columns = [("filter", "U5"), ("subarray", "U8"), ("photmjsr", "f4"), ("nelem", "i2"),
               ("wavelength", "f4", (4,)), ("relresponse", "f4", (4,))]  # fmt: skip
    table = np.zeros(len(rows), columns)
    for entry, values in zip(table, rows, strict=True):
        for name, value in zip(("filter", "subarray", "photmjsr", "nelem"), values, strict=True):
            entry[name] = value
        entry["wavelength"], entry["relresponse"] = wavelengths, wavelengths / 4
    meta = Meta({"photometry.pixelarea_steradians": 2.9e-13})
    return Photom(meta=meta, table=table, **more)


def counts(shape=SHAPE, **more):
    return a_slit(shape, bunit_data="DN/s", **more)


class TestPhotomSpectra(StepContract):
    def case(self):
        return Case(PhotomSpectra(), counts(), {"photom": photom()})


class TestPhotomOfIntegrations(StepContract):
    def case(self):
        return Case(PhotomSpectra(), counts((2, *SHAPE)), {"photom": photom()})


def test_each_pixel_is_converted_at_its_wavelength():
    slit = counts()
    result = PhotomSpectra()(slit, photom=photom())
    known = (slit.wavelength >= 6) & (slit.wavelength <= 12) & np.isfinite(slit.data)
    known &= slit.dq & DQ.DO_NOT_USE == 0
    np.testing.assert_allclose(
        (result.data / slit.data)[known], 2 * slit.wavelength[known] / 4, rtol=1e-5
    )
    np.testing.assert_allclose(
        (result.var_poisson / slit.var_poisson)[known], slit.wavelength[known] ** 2 / 4, rtol=1e-5
    )
    assert np.isnan(result.data[~known]).all()
    assert (result.dq[~known] & DQ.DO_NOT_USE).all()
    assert result.meta["bunit_data"] == "MJy/sr"
    assert result.meta["photometry.conversion_megajanskys"] == 2.0
    assert result.meta["photometry.pixelarea_steradians"] == 2.9e-13


def test_inverse_takes_it_back():
    there = PhotomSpectra()(counts(), photom=photom())
    back = PhotomSpectra(inverse=True)(there, photom=photom())
    good = np.isfinite(there.data)
    assert good.any()
    np.testing.assert_allclose(back.data[good], counts().data[good], rtol=1e-5)
    assert back.meta["bunit_data"] == "DN/s"


def test_sensitivity_left_makes_up_for_losses():
    lost = np.array([("PRISM", "FULL", 60000.0 - 365, 0.5)],
                    [("filter", "U5"), ("subarray", "U4"), ("t0", "f8"), ("lossperyear", "f8")])  # fmt: skip
    slit, later = counts(), photom(linear_in_time=lost)
    results = [
        PhotomSpectra(apply_time_correction=on)(slit, photom=later).data for on in (True, False)
    ]
    good = np.isfinite(results[1])
    np.testing.assert_allclose(results[0][good], 2 * results[1][good], rtol=1e-6)


def test_sub_arrays_that_are_not_named_have_the_generic_row():
    rows = (("PRISM", "GENERIC", 2.0, 3), ("PRISM", "OTHER", 3.0, 3))
    result = PhotomSpectra()(counts(), photom=photom(rows))
    assert result.meta["photometry.conversion_megajanskys"] == 2.0


def test_spectra_that_cannot_be_converted():
    with pytest.raises(ReferenceInvalid, match="no row for filter PRISM"):
        PhotomSpectra()(counts(), photom=photom((("OTHER", "FULL", 2.0, 3),)))
    kept = PhotomSpectra(missing_row="keep")(counts(), photom=photom((("OTHER", "FULL", 2.0, 3),)))
    assert kept.meta["bunit_data"] == "DN/s"
    with pytest.raises(CalcoreError, match="no plane of wavelengths; run assign_wcs"):
        PhotomSpectra()(counts().replace(wavelength=None), photom=photom())
    with pytest.raises(ReferenceInvalid, match="response has 1 wavelengths"):
        PhotomSpectra()(counts(), photom=photom((("PRISM", "FULL", 2.0, 1),)))
    bare = photom()
    imaging = bare.replace(table=bare.table[["filter", "photmjsr"]])
    with pytest.raises(ReferenceInvalid, match="none for spectra"):
        PhotomSpectra()(counts(), photom=imaging)


def test_functions_of_wavelength_end_where_they_are_known():
    wavelength = np.array([[5.9, 6.0, 7.0], [12.0, 12.1, np.nan]], np.float32)
    found = by_wavelength(wavelength, np.array([12.0, 8.0, 6.0]), np.array([3.0, 2.0, 1.0]))
    np.testing.assert_allclose(found, [[np.nan, 1.0, 1.5], [3.0, np.nan, np.nan]])
