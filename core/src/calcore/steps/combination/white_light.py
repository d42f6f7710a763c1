"""Sum the spectra of a time series: its light curve."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from astropy.table import Table, vstack
from numpy.typing import NDArray

from calcore.errors import BadParameter, DataUnusable
from calcore.flags import DQ
from calcore.model import Catalog
from calcore.model.spectrum import SeriesSpectrum, SpectrumSeries
from calcore.parameters import Doc, Range, Unit
from calcore.step import Step

_FACTS = {
    "instrument": "instrument.name", "exp_type": "exposure.type", "subarray": "subarray.name",
    "filter": "instrument.filter", "pupil": "instrument.pupil",
    "target_name": "target.catalog_name",
}  # fmt: skip
Flux = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LightCurve:
    """A light curve."""

    whtlt: Catalog


@dataclass(frozen=True, kw_only=True)
class WhiteLight(Step):
    """Sum the flux of each integration of a time series over wavelengths.

    The table has a row for each integration: MJD_UTC and BJD_TDB at its middle [d], and
    whitelight_flux in the unit of the spectra's flux. Values that are NaN do not count; nor do those
    flagged DO_NOT_USE where flags are heeded. A series of several orders has a column for each.
    """

    min_wavelength: Annotated[
        float | None, Range(0), Unit("um"), Doc("Shortest wavelength that counts; None: all do.")
    ] = None
    max_wavelength: Annotated[
        float | None, Range(0), Unit("um"), Doc("Longest wavelength that counts; None: all do.")
    ] = None
    fill_gaps: Annotated[
        bool,
        Doc(
            "Values that are missing in some integrations, or flagged, count as the series' median at "
            "their wavelength, so that they make no dip, and integrations without any are NaN; "
            "otherwise as nothing."
        ),
    ] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.min_wavelength, self.max_wavelength
        if low is not None and high is not None and low >= high:
            raise BadParameter(
                f"white_light.min_wavelength ({low}) must be less than max_wavelength ({high})"
            )

    def apply(self, series: SpectrumSeries) -> LightCurve:
        """Return the light curve, integrations in order of time.

        Raises
        ------
        DataUnusable
            There is no flux at all.
        """
        orders: dict[Any, list[SeriesSpectrum]] = {}
        for one in series.spectra:
            orders.setdefault(one.meta.get("spectrum.spectral_order"), []).append(one)
        curve: Any = None
        for order, parts in orders.items():
            name = "whitelight_flux" if len(orders) == 1 else f"whitelight_flux_order_{order}"
            found = vstack([self._curve(part, name) for part in parts], metadata_conflicts="silent")
            found.sort("MJD_UTC")
            if curve is None:
                curve = found
            else:
                curve[name] = found[name]
        curve.meta.update({name: series.meta.get(key) for name, key in _FACTS.items()})
        return LightCurve(Catalog(curve))

    def _curve(self, spectrum: SeriesSpectrum, name: str) -> Any:
        """Return the light curve of one table of spectra."""
        rows = spectrum.table
        found = Table({"MJD_UTC": rows["MJD-AVG"], "BJD_TDB": rows["TDB-MID"]})
        found[name] = self._total(rows)
        found[name].unit = spectrum.units["FLUX"]
        return found

    def _total(self, rows: NDArray[np.void]) -> Flux:
        """Return the summed flux of each integration."""
        flux = np.array(rows["FLUX"], np.float64)
        wavelength = rows["WAVELENGTH"]
        asked = np.isfinite(wavelength)
        if self.min_wavelength is not None:
            asked &= wavelength >= self.min_wavelength
        if self.max_wavelength is not None:
            asked &= wavelength <= self.max_wavelength
        flux[~asked] = np.nan
        if self.fill_gaps:
            flux[(rows["DQ"] & np.uint32(DQ.DO_NOT_USE)) != 0] = np.nan
            seen = np.isfinite(flux).any(axis=1)
            if not seen.any():
                raise DataUnusable(
                    "no integration has any flux at the wavelengths asked for; look at the spectra, "
                    "or set other limits of white_light"
                )
            flux[seen] = _filled(flux[seen], asked[seen])
            return np.where(seen, np.nansum(flux, axis=1), np.nan)
        return np.asarray(np.nansum(flux, axis=1))


def _filled(flux: Flux, asked: NDArray[np.bool_]) -> Flux:
    """Return fluxes (n_int, n_wavelength) with what is usual in place of those that are unknown."""
    there = np.isfinite(flux).any(axis=0)
    known = flux[:, there]
    typical = np.nanmedian(known, axis=0)
    level = np.nanmedian(known / typical, axis=1, keepdims=True)
    filled = flux.copy()
    filled[:, there] = np.where(np.isfinite(known) | ~asked[:, there], known, level * typical)
    return filled
