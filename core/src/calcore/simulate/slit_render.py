"""A scene as a detector counts it behind a long slit and a prism, or behind the prism alone.

Light of one wavelength makes an image of the sky, or of the slit, on the detector; the prism moves it
along the rows' normal by its wavelength. So a pixel of a slit's spectrum sees a rectangle of the sky, as
long as itself and as wide as the slit, and a range of wavelengths. Without a slit each place on the
sky has a spectrum of its own, and all of them add up.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter
from calcore.simulate.pointing import ARCSEC
from calcore.simulate.spectra import FWHM, LIGHT_KM_S
from calcore.simulate.spectral_scene import Cloud, Point, SpectralScene
from calcore.simulate.spread import CoreHalo, between

FloatArray = NDArray[np.float64]
SOFT_ARCSEC = 0.05
"""Deviation with which the slit's ends fade [arcsec]."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Trace:
    """Where the prism sends light that enters at the middle of the slit.

    Attributes
    ----------
    rows
        Rows of the detector, relative to the row of the undispersed image, ascending [pixel].
    columns
        Columns relative to that of the undispersed image [pixel].
    wavelengths
        What is seen there [um].
    """

    rows: FloatArray
    columns: FloatArray
    wavelengths: FloatArray

    def wavelength(self, rows: FloatArray) -> FloatArray:
        """Return wavelengths at rows [um]; NaN off the trace."""
        return np.asarray(np.interp(rows, self.rows, self.wavelengths, np.nan, np.nan))

    def continued(self, rows: FloatArray) -> FloatArray:
        """Return wavelengths at rows [um], as if the trace went on for a row; NaN beyond."""
        found = np.interp(rows, self.rows, self.wavelengths)
        for end, inner in ((0, 1), (-1, -2)):
            step = self.wavelengths[inner] - self.wavelengths[end]
            beyond = (rows - self.rows[end]) / (self.rows[inner] - self.rows[end])
            found += np.where(beyond < 0, beyond * step, 0.0)
        off = (rows < self.rows[0] - 1) | (rows > self.rows[-1] + 1)
        return np.asarray(np.where(off, np.nan, found))

    def column(self, rows: FloatArray) -> FloatArray:
        """Return columns at rows; those at the ends beyond them."""
        return np.asarray(np.interp(rows, self.rows, self.columns))


@dataclass(frozen=True, eq=False, kw_only=True)
class Slit:
    """A slit, or none, in front of a prism.

    Attributes
    ----------
    shape
        Of the detector's sub-array (ny, nx).
    middle
        Column and row of the undispersed image of the slit's middle [pixel].
    trace
        Where its light goes.
    scales
        Width of a pixel along the slit, and along the dispersion [arcsec].
    width_arcsec, length_arcsec
        Of the slit; None where there is none.
    """

    shape: tuple[int, int]
    middle: tuple[float, float]
    trace: Trace
    scales: tuple[float, float]
    width_arcsec: float | None = None
    length_arcsec: float | None = None

    @property
    def area_sr(self) -> float:
        """What a pixel of the spectrum sees of the sky; a pixel's own area without a slit [sr]."""
        return self.scales[0] * (self.width_arcsec or self.scales[1]) * ARCSEC**2

    def rows(self) -> FloatArray:
        """Return the detector's rows, relative to the undispersed image's."""
        return np.arange(self.shape[0], dtype=np.float64) - self.middle[1]

    def passed(self, spread: CoreHalo, wavelength_um: FloatArray, across: float) -> FloatArray:
        """Return which part of a star's light passes, `across` arcsec from the slit's middle."""
        if self.width_arcsec is None:
            return np.ones(np.shape(wavelength_um))
        half = self.width_arcsec / 2
        seen: FloatArray = np.zeros(np.shape(wavelength_um))
        for share, wide in spread.parts(wavelength_um):
            seen = seen + share * between(-half - across, half - across, wide)
        return seen

    def window(self, columns: FloatArray) -> FloatArray:
        """Return how much passes at columns relative to the slit's middle: 1 but for its ends."""
        if self.length_arcsec is None:
            return np.ones(columns.shape)
        along = columns * self.scales[0]
        half = self.length_arcsec / 2
        return between(along - half, along + half, SOFT_ARCSEC)


@dataclass(frozen=True, eq=False, kw_only=True)
class SlitSky:
    """Surface brightness averaged over what pixels see [MJy/sr], (y, x).

    Attributes
    ----------
    sources, background
        Of the scene's sources, and of the background.
    wavelength
        Of light that enters at the middle of the slit, as seen from the barycentre [um]; NaN off the trace.
    places
        Column and row [pixel] of the undispersed image of each source.
    """

    sources: FloatArray
    background: FloatArray
    wavelength: FloatArray
    places: list[tuple[float, float]]


def render_slit(
    scene: SpectralScene,
    slit: Slit,
    *,
    place: Callable[[float, float], tuple[float, float]],
    spread: CoreHalo,
    resolving_power: Callable[[FloatArray], FloatArray],
    response: Callable[[FloatArray], FloatArray],
    velocity_km_s: float = 0.0,
    va_scale: float = 1.0,
) -> SlitSky:
    """Render a scene as a slit shows it.

    Parameters
    ----------
    scene
        The sky.
    slit
        What it is seen through.
    place
        From right ascension and declination [deg] to column and row of the undispersed image.
    spread, resolving_power
        What spreads the light.
    response
        From wavelengths [um] to signal by surface brightness; where light of many wavelengths falls on a
        pixel without a slit, it counts by this.
    velocity_km_s
        The telescope's velocity away from the scene.
    va_scale
        True angles over seen angles.

    Raises
    ------
    BadParameter
        There is a cloud, but no slit.
    """
    if scene.clouds and slit.width_arcsec is None:
        raise BadParameter(
            "a cloud without a slit is not simulated; choose a point source, or a slit"
        )
    sources = np.zeros(slit.shape)
    stretch = 1 + velocity_km_s / LIGHT_KM_S
    optics = spread, resolving_power, stretch, slit.area_sr * va_scale**2
    places = [place(one.ra_deg, one.dec_deg) for one in scene.sources]
    for one, seen in zip(scene.sources, places, strict=True):
        sources += _source(one, slit, seen, *optics)
    wave = slit.trace.wavelength(slit.rows())
    if slit.width_arcsec is None:
        # Each row gets light of all wavelengths, from sky that lies farther up or down.
        everywhere = slit.trace.wavelengths
        light = scene.background.continuum(everywhere / stretch) * response(everywhere)
        with np.errstate(invalid="ignore"):
            level = np.nan_to_num(light.sum() / response(wave))
        window = np.ones(slit.shape)
    else:
        level = np.nan_to_num(scene.background.continuum(wave / stretch))
        columns = np.arange(slit.shape[1]) - slit.middle[0]
        window = slit.window(columns - slit.trace.column(slit.rows())[:, None])
    return SlitSky(
        sources=sources, background=level[:, None] * window, places=places,
        wavelength=np.broadcast_to(wave[:, None] / stretch, slit.shape).copy(),
    )  # fmt: skip


def _source(
    source: Point | Cloud,
    slit: Slit,
    seen: tuple[float, float],
    spread: CoreHalo,
    resolving_power: Callable[[FloatArray], FloatArray],
    stretch: float,
    area_sr: float,
) -> FloatArray:
    """Return what a source adds to pixels [MJy/sr]."""
    above = seen[1] - slit.middle[1]
    rows = slit.rows() - above
    edges = np.stack([slit.trace.continued(rows + step) for step in (-0.5, 0.5)])
    known = np.isfinite(edges).all(axis=0)
    low, high = np.sort(edges[:, known], axis=0)
    wave, rows = (low + high) / 2, rows[known]
    density = source.spectrum.mean(low / stretch, high / stretch, resolving_power(wave))
    columns = np.arange(slit.shape[1]) - seen[0] - slit.trace.column(rows)[:, None]
    along, across = slit.scales[0], above * slit.scales[1]
    own = source.fwhm_arcsec / FWHM if isinstance(source, Cloud) else 0.0
    share_of_light = np.zeros(columns.shape)
    for share, deviation in spread.parts(wave):
        wide = np.hypot(deviation, own)
        half = (slit.width_arcsec or 0) / 2
        passed = between(-half - across, half - across, wide) if half else np.ones(wave.shape)
        inside = between((columns - 0.5) * along, (columns + 0.5) * along, wide[:, None])
        share_of_light += share * passed[:, None] * inside
    window = slit.window(columns + seen[0] - slit.middle[0])
    added = np.zeros(slit.shape)
    added[known] = share_of_light * window * (density * 1e-6 / area_sr)[:, None]
    return added
