"""What steps of the image slicers are checked with."""

from typing import Any

import numpy as np

from calcore.model import Image, Meta, Parts
from calcore.model.spectrum import Spectra, Spectrum
from calcore.testing import Case
from calcore_miri import INSTRUMENT
from calcore_miri.cases.cubes import assign_wcs
from calcore_miri.references import CrossArtifact, SlicerPhotom
from calcore_miri.references import SpectralLeak as LeakReference
from calcore_miri.steps.badpix_selfcal import BadpixSelfcal
from calcore_miri.steps.photom import Photom
from calcore_miri.steps.spectral_leak import SpectralLeak
from calcore_miri.steps.straylight import Straylight

_EMPTY = Meta({})
_SHAPE = (64, 1032)
_PROFILE = ("lor_fwhm", "lor_scale", "gau_fwhm", "gau_xoff", "gau_scale1", "gau_scale2")


def exposure(shape: tuple[int, int] = _SHAPE, *, seed: int = 1, **more: Any) -> Image:
    """Return noise and a bright trace, in a sub-array that holds both channels."""
    rng = np.random.default_rng(seed)
    meta = Meta(
        {
            "instrument.name": "MIRI", "instrument.detector": "MIRIFUSHORT",
            "instrument.channel": "12", "instrument.band": "SHORT", "exposure.type": "MIR_MRS",
            "subarray.xstart": 1, "subarray.ystart": 101, "subarray.fastaxis": 1,
            "subarray.slowaxis": 2, "exposure.mid_time": 60000.0, "bunit_data": "DN/s",
            **{name.replace("__", "."): value for name, value in more.items()},
        }
    )  # fmt: skip
    data = rng.normal(0, 0.1, shape).astype(np.float32)
    data[:, 200:203] += np.float32(50)
    data[5, 7] = np.nan
    variance = np.full(shape, 0.01, np.float32)
    return Image(
        meta=meta.with_facts(INSTRUMENT.facts(meta)),
        data=data,
        err=np.sqrt(2 * variance),
        dq=np.zeros(shape, np.uint32),
        var_poisson=variance,
        var_rnoise=variance,
    )


def cross_artifact(rows: int = 1024, **values: float) -> CrossArtifact:
    """Return a reference whose tables all have the same values in all rows."""
    table = np.zeros(rows, [("yrow", "i2"), *((name, "f4") for name in _PROFILE)])
    table["yrow"] = np.arange(rows)
    table["lor_fwhm"], table["gau_fwhm"], table["gau_xoff"] = 100, 10, 20
    for name, value in values.items():
        table[name] = value
    tables: Any = {f"ch{channel}{band}": table for channel in "1234" for band in "abc"}
    return CrossArtifact(meta=_EMPTY, **tables)


def straylight() -> Case:
    """Return a bright trace that scatters light."""
    given = {"mrsxartcorr": cross_artifact(lor_scale=1e-3, gau_scale1=5e-4), "regions": None}
    return Case(Straylight(), exposure(), given)


def photom() -> Case:
    """Return an image of two slices, with a conversion that changes with time."""
    case = assign_wcs()
    image = case.step(case.flow, **case.given)
    table = np.array(
        [(5.0, -0.1, 0.9, 30.0, 59000.0), (5.3, -0.2, 0.8, 20.0, 59000.0)],
        [(name, "f4") for name in ("binwave", "alpha", "year1value", "tsoft", "t0")],
    )
    reference = SlicerPhotom(
        meta=Meta({"photometry.conversion_megajanskys": 2.0}),
        data=np.full(image.data.shape, 2.0, np.float32),
        dq=np.zeros(image.data.shape, np.uint32),
        channel_1=table,
    )
    image = image.replace(meta=image.meta.set({"exposure.mid_time": 60000.0}))
    return Case(Photom(), image, {"photom": reference})


def badpix_selfcal() -> Case:
    """Return an exposure and one of the background, with the same bad pixel."""
    both = [exposure(seed=seed) for seed in (1, 2)]
    for image in both:
        image.data[30, 400] = 80.0
    return Case(BadpixSelfcal(), both[0], {"backgrounds": (both[1],), "selfcals": ()})


def a_spectrum(channel: str, band: str, wavelengths: Any, flux: Any) -> Spectra:
    """Return a spectrum of one channel and band."""
    one = Spectrum.of(_EMPTY, WAVELENGTH=wavelengths, FLUX=flux, SURF_BRIGHT=2 * flux)
    meta = Meta({"instrument.channel": channel, "instrument.band": band})
    return Spectra(meta=meta, spectra=(one,))


def spectral_leak() -> Case:
    """Return spectra of bands 1B and 3A, and what leaks."""
    short, long = np.linspace(5.66, 6.63, 40), np.linspace(11.55, 13.47, 60)
    parts = {
        "ch1-medium": a_spectrum("1", "MEDIUM", short, 2 + np.sin(20 * short)),
        "ch3-short": a_spectrum("3", "SHORT", long, np.full(60, 5.0)),
    }
    table = np.array(
        [(11.9, 0.001), (12.2, 0.03), (12.7, 0.002)], [("wavelength", "f4"), ("frac_leak", "f4")]
    )
    return Case(
        SpectralLeak(), Parts(parts), {"mrsptcorr": LeakReference(meta=_EMPTY, table=table)}
    )
