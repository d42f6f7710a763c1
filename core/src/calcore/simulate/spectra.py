"""Spectra of simulated sources: a continuum and lines, and what a spectrometer's pixels see of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf

FloatArray = NDArray[np.float64]

LIGHT_KM_S = 299792.458
"""Speed of light [km/s]."""
JANSKY_MICRON = 1e26 / (LIGHT_KM_S * 1e9)
"""One W/m² over one micron, times the wavelength squared [micron²], in Jy."""
FWHM = 2 * np.sqrt(2 * np.log(2))
"""Full width at half maximum of a Gaussian of unit deviation."""
REACH = 6.0
"""Deviations beyond which a line has no light."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """An emission line of Gaussian shape.

    Attributes
    ----------
    wavelength_um
        Its centre, as seen from the barycentre [um].
    flux_w_m2
        All its light [W/m²]; of an extended source, of the whole source.
    fwhm_km_s
        Its own width, before the spectrometer's [km/s].
    """

    wavelength_um: float
    flux_w_m2: float
    fwhm_km_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """A power law and lines.

    Attributes
    ----------
    flux_jy
        Continuum at the reference wavelength [Jy].
    reference_um
        That wavelength [um].
    slope
        The continuum goes as the wavelength to this power.
    lines
        On top of it.
    """

    flux_jy: float
    reference_um: float = 10.0
    slope: float = 0.0
    lines: Sequence[Line] = ()

    def continuum(self, wavelength_um: ArrayLike) -> FloatArray:
        """Return the flux density without lines [Jy]."""
        ratio = np.asarray(wavelength_um, np.float64) / self.reference_um
        return np.asarray(self.flux_jy * ratio**self.slope)

    def mean(
        self,
        low_um: FloatArray,
        high_um: FloatArray,
        resolving_power: ArrayLike,
        *,
        velocity_km_s: ArrayLike = 0.0,
        spread_km_s: ArrayLike = 0.0,
    ) -> FloatArray:
        """Return the mean flux density between wavelengths [Jy], as the spectrometer spreads it.

        Parameters
        ----------
        low_um, high_um : array (pixel,)
            Edges of pixels, as seen from the barycentre [um].
        resolving_power
            Wavelength over the full width at half maximum of an unresolved line.
        velocity_km_s, spread_km_s
            Recession of what emits the lines, and its deviation [km/s].
        """
        moving = {"velocity_km_s": velocity_km_s, "spread_km_s": spread_km_s}
        smooth = self.continuum((low_um + high_um) / 2)
        return smooth + self.mean_of_lines(low_um, high_um, resolving_power, **moving)

    def mean_of_lines(
        self,
        low_um: FloatArray,
        high_um: FloatArray,
        resolving_power: ArrayLike,
        *,
        velocity_km_s: ArrayLike = 0.0,
        spread_km_s: ArrayLike = 0.0,
    ) -> FloatArray:
        """Return the part of `mean` that lines make up."""
        total = np.zeros(low_um.shape)
        if not total.size:
            return total
        shift, power, scatter = (
            np.broadcast_to(np.asarray(part, np.float64), total.shape)
            for part in (velocity_km_s, resolving_power, spread_km_s)
        )
        for line in self.lines:
            at = line.wavelength_um
            slowest, fastest = 1 + shift.min() / LIGHT_KM_S, 1 + shift.max() / LIGHT_KM_S
            own = np.hypot(line.fwhm_km_s / FWHM, scatter.max()) / LIGHT_KM_S
            reach = REACH * at * float(np.hypot(own, 1 / (FWHM * power.min())))
            near = (high_um > at * slowest - reach) & (low_um < at * fastest + reach)
            if not near.any():
                continue
            low, high, centre = low_um[near], high_um[near], at * (1 + shift[near] / LIGHT_KM_S)
            own = np.hypot(line.fwhm_km_s / FWHM, scatter[near]) / LIGHT_KM_S
            scale = np.sqrt(2) * centre * np.hypot(own, 1 / (FWHM * power[near]))
            share = (erf((high - centre) / scale) - erf((low - centre) / scale)) / 2
            by_um = line.flux_w_m2 * share / (high - low)
            total[near] += by_um * JANSKY_MICRON * ((low + high) / 2) ** 2
        return total
