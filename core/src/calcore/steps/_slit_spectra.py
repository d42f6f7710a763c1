"""How the sums of a slit become its spectrum, or those of each integration."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.kernels.slit_extraction import Sums
from calcore.kernels.slit_profile import Fit
from calcore.model.exposure import Image, Table
from calcore.model.meta import Meta
from calcore.model.spectrum import (
    COLUMNS,
    TIMES,
    SeriesSpectrum,
    Spectra,
    Spectrum,
    SpectrumSeries,
    ascending,
    table_of,
    units_of,
)
from calcore.steps._slit_apertures import Boxes, Traced
from calcore.steps._spectra import columns_of

F8 = NDArray[np.float64]
_BRIGHTNESS = "MJy/sr"
_TIMES = dict(
    zip(
        TIMES,
        ("int_start_mjd_utc", "int_mid_mjd_utc", "int_end_mjd_utc", "int_start_bjd_tdb",
         "int_mid_bjd_tdb", "int_end_bjd_tdb"),
        strict=True,
    )
)  # fmt: skip
"""Columns of INT_TIMES, in lower case."""


def columns(sums: Sums, image: Image, factor: F8 | float) -> dict[str, Any]:
    """Return the columns of a spectrum; of an image in another unit than MJy/sr, in that unit."""
    told = image.meta.get("bunit_data", _BRIGHTNESS)
    steradian = image.meta.get("photometry.pixelarea_steradians")
    known = told == _BRIGHTNESS and steradian is not None
    return columns_of(
        sums.total, sums.area, tuple(sums.variances), sums.background,
        tuple(sums.background_variances), factor=factor,
        steradian=float(steradian) if known and steradian is not None else 1e-6,
    )  # fmt: skip


def fit_columns(fit: Fit, image: Image, used: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the columns of the rows used of a spectrum that was fitted; see `columns`.

    As many pixels count as noise of that many, all alike, would be as large.
    """
    part = Fit(*(values[used] if values.ndim == 1 else values for values in fit))
    told = image.meta.get("bunit_data", _BRIGHTNESS)
    steradian = image.meta.get("photometry.pixelarea_steradians")
    known = told == _BRIGHTNESS and steradian is not None
    return columns_of(
        part.flux, part.area, tuple(fit.variances[:, used]), part.level * part.area,
        tuple(fit.level_variances[:, used] * part.area**2), subtracted=False,
        steradian=float(steradian) if known and steradian is not None else 1e-6,
    )  # fmt: skip


def units(image: Image) -> dict[str, str]:
    """Return the units of the columns of an image's spectrum."""
    told = str(image.meta.get("bunit_data", _BRIGHTNESS))
    known = told == _BRIGHTNESS and "photometry.pixelarea_steradians" in image.meta
    return units_of() if known else units_of(told, told)


def spectrum_of(meta: Meta, image: Image, wavelength: F8, found: dict[str, Any]) -> Spectra:
    """Return the spectrum of an image."""
    own = Spectrum.of(meta, units(image), WAVELENGTH=wavelength, **found)
    return Spectra(meta=image.meta, spectra=(own.replace(table=ascending(own.table)),))


def series_of(
    meta: Meta, image: Image, wavelength: F8, found: Sequence[dict[str, Any]]
) -> SpectrumSeries:
    """Return the spectra of each integration, and when they were taken."""
    order = np.argsort(wavelength, kind="stable")
    number = image.meta.first_integration + np.arange(len(found))
    vectors: dict[str, Any] = dict.fromkeys(("INT_NUM", *COLUMNS))
    vectors |= {name: np.stack([own[name][order] for own in found]) for name in found[0]}
    vectors["WAVELENGTH"] = np.tile(wavelength[order], (len(found), 1))
    vectors["INT_NUM"] = number
    vectors["N_ALONGDISP"] = np.full(len(found), wavelength.size)
    vectors["SEGMENT"] = np.full(len(found), image.meta.whole("exposure.segment_number", 1))
    vectors |= _times(image.int_times, number)
    vectors["SOURCE_TYPE"] = np.full(len(found), image.meta.get("target.source_type", "UNKNOWN"))
    own = SeriesSpectrum(meta=meta, table=table_of(vectors), units=units(image))
    return SpectrumSeries(meta=image.meta, spectra=(own,), int_times=image.int_times)


def _times(table: Table | None, number: NDArray[np.int64]) -> dict[str, F8]:
    """Return when integrations began, were half way and ended; NaN where that is not told."""
    times = {name: np.full(len(number), np.nan) for name in TIMES}
    if table is None:
        return times
    there = {name.lower(): name for name in table.dtype.names or ()}
    rows = {int(n): row for row, n in enumerate(table[there["integration_number"]])}
    for name, values in times.items():
        for place, own in enumerate(number):
            if int(own) in rows and _TIMES[name] in there:
                values[place] = table[there[_TIMES[name]]][rows[int(own)]]
    return times


def described(
    image: Image, entry: Mapping[str, Any], trace: Traced, boxes: Boxes, used: NDArray[np.bool_]
) -> Meta:
    """Return an image's metadata and those of its spectrum: its name, source, and where it was."""
    meta = image.meta
    rows = np.flatnonzero(used)
    low, high = boxes.limits
    along, across = ("x", "y") if trace.along_rows else ("y", "x")
    kept = ("source_id", "source_name", "source_alias", "source_ra", "source_dec", "source_xpos",
            "source_ypos", "slitlet_id", "stellarity", "shutter_state")  # fmt: skip
    told: dict[str, Any] = {name: meta.get(f"slit.{name}") for name in kept}
    told |= {
        "name": meta.get("slit.name") or entry.get("id"),
        "source_type": meta.get("target.source_type"), "detector": meta.get("instrument.detector"),
        "spectral_order": meta.get("slit.spectral_order") or entry.get("spectral_order", 1),
        "dispersion_direction": 1 if trace.along_rows else 2,
        "position_angle": meta.get("aperture.position_angle"),
        "s_region": meta.get("wcsinfo.s_region"),
        f"extraction_{along}start": float(rows[0] + 1),
        f"extraction_{along}stop": float(rows[-1] + 1),
        f"extraction_{across}start": low + 1.5, f"extraction_{across}stop": high + 0.5,
    }  # fmt: skip
    if image.wcs is not None:
        place = [(rows[0] + rows[-1]) / 2, (low + high) / 2]
        x, y = place if trace.along_rows else place[::-1]
        ra, dec = image.wcs(x, y, with_bounding_box=False)[:2]
        told |= {"slit_ra": float(ra), "slit_dec": float(dec)}
    return meta.set({f"spectrum.{name}": value for name, value in told.items()})
