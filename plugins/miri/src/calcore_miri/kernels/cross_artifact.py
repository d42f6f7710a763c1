"""Light that a detector scatters along its rows from bright pixels (the cross artifact)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]

_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))


@dataclass(frozen=True, eq=False, kw_only=True)
class Profile:
    """How a row scatters light, as function of the distance in columns; arrays are (ny,).

    Attributes
    ----------
    lorentz_fwhm, lorentz_scale : float64 (ny,)
        Width [pixel] and height of a Lorentzian, as part of the pixel's signal.
    gauss_fwhm, gauss_offset : float64 (ny,)
        Width and distance [pixel] of a Gaussian on either side; there is another on either side, of
        twice its width, at twice its distance.
    gauss_scale, outer_scale : float64 (ny,)
        Heights of the inner and of the outer Gaussians.
    """

    lorentz_fwhm: F8
    lorentz_scale: F8
    gauss_fwhm: F8
    gauss_offset: F8
    gauss_scale: F8
    outer_scale: F8

    def at(self, count: int) -> F8:
        """Return the profile at distances of 0, 1 … `count` - 1 columns (ny, count), either side alike."""
        x = np.arange(count, dtype=np.float64)
        half = self.lorentz_fwhm[:, None] / 2
        found: F8 = self.lorentz_scale[:, None] * half**2 / (half**2 + x**2)
        sigma, offset = (
            value[:, None] for value in (self.gauss_fwhm / _FWHM_PER_SIGMA, self.gauss_offset)
        )
        for times, scale in ((1, self.gauss_scale), (2, self.outer_scale)):
            lit = np.flatnonzero(scale)
            for place in (-times * offset[lit], times * offset[lit]):
                part = (x - place) / (times * sigma[lit])
                found[lit] += scale[lit, None] * np.exp(-0.5 * part**2)
        return found


def scattered(sources: F4, profile: Profile) -> F8:
    """Return the light that bright pixels scatter along their rows.

    Profiles as MIRI's medium-resolution spectrometer has them: a Lorentzian and two pairs of
    Gaussians (Gaspar et al. 2021, PASP 133, 014504; documentation of jwst's step straylight).

    Parameters
    ----------
    sources : float32 (ny, nx)
        Light that is scattered; finite.
    profile : Profile
        How each row scatters.

    Returns
    -------
    float64 (ny, nx)
        In the unit of `sources`.
    """
    width = sources.shape[1]
    found = np.zeros(sources.shape)
    scatters = (
        (profile.lorentz_scale != 0) | (profile.gauss_scale != 0) | (profile.outer_scale != 0)
    )
    rows = np.flatnonzero(sources.any(axis=1) & scatters)
    if not rows.size:
        return found
    one_side = profile.at(width)[rows]
    size = next_fast_len(2 * width, real=True)
    ring = np.zeros((rows.size, size))
    ring[:, :width] = one_side
    ring[:, -(width - 1) :] = one_side[:, :0:-1]
    spectrum = rfft(sources[rows].astype(np.float64), size) * rfft(ring)
    found[rows] = irfft(spectrum, size)[:, :width]
    return found
