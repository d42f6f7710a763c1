"""Spectra: of one source or of many, of each integration, and of several exposures together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

from calcore.model.exposure import Table
from calcore.model.layout import Several, TableExtension
from calcore.model.meta import Meta
from calcore.model.record import Record

_ORIGINS = ("POISSON", "RNOISE", "FLAT")
_SCALES = (
    ("FLUX", "FLUX_ERROR", "FLUX_VAR"),
    ("SURF_BRIGHT", "SB_ERROR", "SB_VAR"),
    ("BACKGROUND", "BKGD_ERROR", "BKGD_VAR"),
)


def _columns(value: str, error: str, variance: str) -> tuple[str, ...]:
    return value, error, *(f"{variance}_{origin}" for origin in _ORIGINS)


_FLUX, _BRIGHTNESS, _BACKGROUND = (_columns(*names) for names in _SCALES)
COLUMNS = ("WAVELENGTH", *_FLUX, *_BRIGHTNESS, "DQ", *_BACKGROUND, "NPIXELS")
"""Columns of an extracted spectrum, in their order."""
TIMES = ("MJD-BEG", "MJD-AVG", "MJD-END", "TDB-BEG", "TDB-MID", "TDB-END")
"""When an integration began, was half way and ended [d]: modified Julian date UTC and TDB."""
COMBINED = ("WAVELENGTH", "FLUX", "ERROR", "SURF_BRIGHT", "SB_ERROR", "DQ", "WEIGHT", "N_INPUT")
"""Columns of a spectrum combined from several."""
_KINDS = {"DQ": "u4", "N_ALONGDISP": "u4", "INT_NUM": "i4", "SEGMENT": "i4", "SOURCE_TYPE": "U8"}


def units_of(flux: str = "Jy", brightness: str = "MJy/sr") -> dict[str, str]:
    """Return the units of a spectrum's columns, given those of its flux and surface brightness."""
    units = {"WAVELENGTH": "um", "RF_FLUX": flux, "ERROR": flux}
    units |= {"RF_SURF_BRIGHT": brightness, "RF_BACKGROUND": brightness}
    for (value, error, *variances), unit in (
        (_FLUX, flux),
        (_BRIGHTNESS, brightness),
        (_BACKGROUND, brightness),
    ):
        squared = f"{unit}^2" if unit.isalpha() else f"({unit})^2"
        units |= {value: unit, error: unit, **dict.fromkeys(variances, squared)}
    return units | dict.fromkeys(TIMES, "d")


@dataclass(frozen=True, eq=False, kw_only=True)
class Spectrum(Record):
    """One spectrum; its metadata, called ``spectrum.…``, tell of source and aperture.

    Attributes
    ----------
    table : structured array (n_wavelength,)
        The columns `COLUMNS`, maybe more; wavelengths ascend.
    units : mapping
        Units of columns.
    """

    table: Annotated[Table, TableExtension("EXTRACT1D", required=True, units="units")]
    units: Mapping[str, str] = field(default_factory=units_of)

    @classmethod
    def of(
        cls, meta: Meta, units: Mapping[str, str] | None = None, **columns: ArrayLike
    ) -> "Spectrum":
        """Return a spectrum of some columns; those of `COLUMNS` left out are NaN, or zero if counts."""
        filled = {name: columns.pop(name, None) for name in COLUMNS}
        return cls(meta=meta, table=table_of(filled | columns), units=units or units_of())

    def with_columns(self, **columns: ArrayLike) -> "Spectrum":
        """Return the spectrum with some columns changed or added."""
        names = self.table.dtype.names or ()
        there: dict[str, ArrayLike | None] = {name: self.table[name] for name in names}
        return self.replace(table=table_of(there | columns))


@dataclass(frozen=True, eq=False, kw_only=True)
class Spectra(Record):
    """What was extracted from one exposure or product: a spectrum, or one of each slit or source.

    Attributes
    ----------
    spectra : tuple of Spectrum
        Each in a table of its own.
    """

    spectra: Annotated[tuple[Spectrum, ...], Several(Spectrum)]


@dataclass(frozen=True, eq=False, kw_only=True)
class SeriesSpectrum(Record):
    """A spectrum of each integration of a time series.

    Attributes
    ----------
    table : structured array (n_int,)
        The columns `COLUMNS`, each value a vector (n_wavelength,); INT_NUM, SEGMENT, N_ALONGDISP
        (how many of a vector's values count) and the times `TIMES` are single numbers. SOURCE_TYPE
        is POINT or EXTENDED, for readers that look for it in each row.
    units : mapping
        Units of columns.
    """

    table: Annotated[Table, TableExtension("EXTRACT1D", required=True, units="units")]
    units: Mapping[str, str] = field(default_factory=units_of)


@dataclass(frozen=True, eq=False, kw_only=True)
class SpectrumSeries(Record):
    """The spectra of a time series.

    Attributes
    ----------
    spectra : tuple of SeriesSpectrum
        One of each order, slit or segment.
    int_times : table, optional
        INT_TIMES, row for row.
    """

    spectra: Annotated[tuple[SeriesSpectrum, ...], Several(SeriesSpectrum)]
    int_times: Annotated[Table, TableExtension("INT_TIMES")] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class CombinedSpectrum(Record):
    """A spectrum combined from several, with the columns `COMBINED`; metadata ``combined.…``."""

    table: Annotated[Table, TableExtension("COMBINE1D", required=True, units="units")]
    units: Mapping[str, str] = field(default_factory=units_of)

    @classmethod
    def of(
        cls, meta: Meta, units: Mapping[str, str] | None = None, **columns: ArrayLike
    ) -> "CombinedSpectrum":
        """Return a combined spectrum of some columns; those left out are NaN, or zero if counts."""
        filled = {name: columns.get(name) for name in COMBINED}
        return cls(meta=meta, table=table_of(filled), units=units or units_of())


@dataclass(frozen=True, eq=False, kw_only=True)
class CombinedSpectra(Record):
    """Combined spectra, one of each order or source."""

    spectra: Annotated[tuple[CombinedSpectrum, ...], Several(CombinedSpectrum)]


def table_of(columns: Mapping[str, ArrayLike | None]) -> Table:
    """Return columns as a structured array: floats, flags and counts by their names.

    Parameters
    ----------
    columns : mapping
        Arrays (n_row,) or (n_row, n) by name, WAVELENGTH among them; None is filled with NaN, or
        with zeros where it counts or flags.
    """
    wavelength = np.asarray(columns["WAVELENGTH"], np.float64)
    filled: dict[str, Any] = {}
    for name, values in columns.items():
        kind = _KINDS.get(name, "f8")
        empty = 0 if kind != "f8" or name in {"NPIXELS", "WEIGHT", "N_INPUT"} else np.nan
        given = np.full(wavelength.shape, empty) if values is None else np.asarray(values)
        filled[name] = given.astype(kind)
    table = np.empty(len(wavelength), [(n, v.dtype, v.shape[1:]) for n, v in filled.items()])
    for name, values in filled.items():
        table[name] = values
    return table


def ascending(table: Table) -> Table:
    """Return the rows of a spectrum by ascending wavelength."""
    return table[np.argsort(table["WAVELENGTH"], kind="stable")]
