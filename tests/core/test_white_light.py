"""Light curves of time series of spectra."""

import numpy as np
import pytest

from calcore.errors import BadParameter, DataUnusable
from calcore.flags import DQ
from calcore.model import Meta
from calcore.model.spectrum import COLUMNS, SeriesSpectrum, SpectrumSeries, table_of
from calcore.steps.combination.white_light import WhiteLight
from calcore.testing import Case, StepContract

N_INT, N_WAVELENGTH = 6, 8


def spectrum(flux=None, *, start=60000.0, order=1, dq=None):
    shape = N_INT, N_WAVELENGTH
    columns = dict.fromkeys(COLUMNS)
    columns["WAVELENGTH"] = np.tile(np.linspace(5, 12, N_WAVELENGTH), (N_INT, 1))
    columns["FLUX"] = np.ones(shape) if flux is None else flux
    columns["DQ"] = np.zeros(shape) if dq is None else dq
    times = start + 0.01 * np.arange(N_INT)
    columns |= {"INT_NUM": np.arange(N_INT) + 1, "MJD-AVG": times, "TDB-MID": times + 0.003}
    meta = Meta({"spectrum.spectral_order": order})
    return SeriesSpectrum(meta=meta, table=table_of(columns))


def series(*spectra):
    meta = Meta({"instrument.name": "IMAGINARY", "instrument.filter": "PRISM"})
    return SpectrumSeries(meta=meta, spectra=spectra or (spectrum(),))


class TestWhiteLight(StepContract):
    def case(self):
        return Case(WhiteLight(), series())


def test_light_is_summed_over_wavelengths():
    curve = WhiteLight()(series()).whtlt.table
    assert curve.colnames == ["MJD_UTC", "BJD_TDB", "whitelight_flux"]
    np.testing.assert_allclose(curve["whitelight_flux"], N_WAVELENGTH)
    np.testing.assert_allclose(curve["BJD_TDB"] - curve["MJD_UTC"], 0.003, atol=1e-9)
    assert str(curve["whitelight_flux"].unit) == "Jy"
    assert curve.meta["filter"] == "PRISM"
    some = WhiteLight(min_wavelength=6.0, max_wavelength=8.0)(series()).whtlt.table
    np.testing.assert_allclose(some["whitelight_flux"], 3)


def test_segments_are_put_in_the_order_of_time():
    late, early = spectrum(start=60001.0), spectrum(np.full((N_INT, N_WAVELENGTH), 2.0))
    curve = WhiteLight()(series(late, early)).whtlt.table
    assert (np.diff(curve["MJD_UTC"]) > 0).all()
    np.testing.assert_allclose(curve["whitelight_flux"], [16.0] * 6 + [8.0] * 6)


def test_orders_have_columns_of_their_own():
    curve = WhiteLight()(series(spectrum(), spectrum(order=2))).whtlt.table
    assert curve.colnames[2:] == ["whitelight_flux_order_1", "whitelight_flux_order_2"]


def test_gaps_make_no_dip_if_they_are_filled():
    flux = np.outer(1 + 0.01 * np.arange(N_INT), np.arange(1.0, N_WAVELENGTH + 1))
    expected = flux.sum(axis=1)
    flux[2, 3] = np.nan
    flux[:, 6] = np.nan
    dq = np.zeros(flux.shape)
    flux[4, 1], dq[4, 1] = 500.0, DQ.DO_NOT_USE
    filled = WhiteLight()(series(spectrum(flux, dq=dq))).whtlt.table["whitelight_flux"]
    np.testing.assert_allclose(filled, expected - 7 * (1 + 0.01 * np.arange(N_INT)), rtol=1e-3)
    plain = WhiteLight(fill_gaps=False)(series(spectrum(flux, dq=dq))).whtlt.table[
        "whitelight_flux"
    ]
    np.testing.assert_allclose(plain, np.nansum(flux, axis=1))


def test_an_integration_without_flux_is_nan_and_no_dip():
    flux = np.ones((N_INT, N_WAVELENGTH))
    flux[3] = np.nan
    curve = WhiteLight()(series(spectrum(flux))).whtlt.table["whitelight_flux"]
    assert np.flatnonzero(np.isnan(curve)).tolist() == [3]
    with pytest.raises(DataUnusable, match="no integration has any flux"):
        WhiteLight(min_wavelength=100.0)(series(spectrum(flux)))


def test_limits_must_be_in_order():
    with pytest.raises(BadParameter, match=r"min_wavelength \(8.0\) must be less"):
        WhiteLight(min_wavelength=8.0, max_wavelength=6.0)
