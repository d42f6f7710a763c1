"""What those of core's steps are checked with that work on spectra of a slit, and on time series."""

import numpy as np

from calcore.model import Group, Meta
from calcore.model.reference import Photom
from calcore.model.spectrum import COLUMNS, TIMES, SeriesSpectrum, SpectrumSeries, table_of
from calcore.steps.calibration.adaptive_trace_model import AdaptiveTraceModel
from calcore.steps.calibration.photom_spectra import PhotomSpectra
from calcore.steps.combination.join_series import JoinSeries
from calcore.steps.combination.outlier_integrations import OutlierIntegrations
from calcore.steps.combination.outlier_spectra import OutlierSpectra
from calcore.steps.combination.resample_spec import ResampleSpec
from calcore.steps.combination.white_light import WhiteLight
from calcore.testing.contract import Case
from calcore.testing.samples import an_image
from calcore.testing.spectra import a_nod, a_slit


def photom_spectra() -> Case:
    """A spectrum, and a response that is known for most of its wavelengths."""
    columns = [("filter", "U5"), ("photmjsr", "f4"), ("nelem", "i2")]
    vectors = [(name, "f4", (4,)) for name in ("wavelength", "relresponse")]
    table = np.zeros(1, [*columns, *vectors])
    table["filter"], table["photmjsr"], table["nelem"] = "PRISM", 2.0, 4
    table["wavelength"], table["relresponse"] = (6, 8, 10, 13), (1.0, 1.2, 1.5, 2.5)
    photom = Photom(meta=Meta({}), table=table)
    return Case(PhotomSpectra(), a_slit(bunit_data="DN/s"), {"photom": photom})


def resample_spec() -> Case:
    """Exposures of a source that was moved along the slit."""
    return Case(ResampleSpec(), a_nod(2))


def adaptive_trace_model() -> Case:
    """A bright source in a slit, one pixel of which is bad."""
    return Case(AdaptiveTraceModel(oversample=2.0, slope_limit=0.02), a_slit())


def outlier_spectra() -> Case:
    """Such exposures, with what noise does to them."""
    return Case(OutlierSpectra(), a_nod(3))


def outlier_integrations() -> Case:
    """Integrations of which one is hit."""
    image = an_image((8, 16, 12))
    data = image.data.copy()
    data[4, 8, 6] += 50 * image.err[4, 8, 6]
    return Case(OutlierIntegrations(rolling_window_width=5), image.replace(data=data))


def white_light() -> Case:
    """Spectra of a few integrations, one of which lacks a value."""
    return Case(WhiteLight(), a_series())


def join_series() -> Case:
    """Two segments, the later one first."""
    return Case(JoinSeries(), Group("series", (a_series(60001.0), a_series())))


def a_series(begun: float = 60000.0) -> SpectrumSeries:
    """Return spectra of a few integrations; when the first began is a modified Julian date [d]."""
    number, length = 5, 6
    flux = np.random.default_rng(1).normal(10, 0.1, (number, length))
    flux[2, 3] = np.nan
    columns = dict.fromkeys(COLUMNS) | {
        "WAVELENGTH": np.tile(np.linspace(5, 12, length), (number, 1)), "FLUX": flux,
        "DQ": np.zeros((number, length)),
    }  # fmt: skip
    columns |= {name: begun + 0.01 * np.arange(number) for name in TIMES}
    spectrum = SeriesSpectrum(
        meta=Meta({"spectrum.spectral_order": 1}), table=table_of({"INT_NUM": None} | columns)
    )
    told = {"exposure.type": "SERIES", "exposure.start_time": begun}
    return SpectrumSeries(meta=Meta(told), spectra=(spectrum,))
