"""A scene as an image slicer's detector would count it without noise.

A pixel sees a rectangle of the sky, as long as it is wide along the slice and as wide as the slice,
and a range of wavelengths. Light of a star falls into rectangles and ranges exactly (`spread`,
`spectra`); a cloud that turns as a solid body and is seen through Gaussians has at every place a line
of Gaussian shape, whose middle and width are known, so that it is exact, too.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from calcore.simulate.image_slicer import ImageSlicer, SlicedField
from calcore.simulate.pointing import ARCSEC, Pointing
from calcore.simulate.spectra import FWHM, LIGHT_KM_S, Spectrum
from calcore.simulate.spectral_scene import Cloud, Point, SpectralScene
from calcore.simulate.spread import CoreHalo

FloatArray = NDArray[np.float64]
_REACH = 8.0
"""Deviations of the halo beyond which a star has no light."""
_GAUSS = 0.5 / np.sqrt(3)
"""Places at which two samples give the mean over an interval (Gauss & Legendre)."""


@dataclass(frozen=True, kw_only=True)
class Optics:
    """What spreads the light.

    Attributes
    ----------
    spread
        The image of a star.
    resolving_power
        From a field's number and wavelengths [um] to wavelength over width of a line.
    leak
        From a field's number and wavelengths [um] to the part of the light of half the wavelength that is seen
        there; None where there is none.
    """

    spread: CoreHalo
    resolving_power: Callable[[int, FloatArray], FloatArray]
    leak: Callable[[int, FloatArray], FloatArray | None]


@dataclass(frozen=True, eq=False, kw_only=True)
class SlicedSky:
    """Surface brightness in pixels [MJy/sr], (y, x); zero where no slice is.

    Attributes
    ----------
    sources, background
        Of the scene's sources, and of the background.
    places
        Angles along and across slices [arcsec] of each point and cloud, by field number.
    """

    sources: FloatArray
    background: FloatArray
    places: dict[int, list[tuple[float, float]]]


class _Rendering:
    """A field's pixels while they are rendered."""

    def __init__(
        self,
        slicer: ImageSlicer,
        number: int,
        pointing: Pointing,
        optics: Optics,
        velocity_km_s: float,
    ) -> None:
        planes = slicer.planes
        self.field: SlicedField = slicer.fields[number]
        self.pixels = np.nonzero(planes.field == number)
        y, x = self.pixels
        self.alpha = planes.alpha[:, y, x]
        self.beta = planes.beta[self.pixels]
        stretch = 1 + velocity_km_s / LIGHT_KM_S
        self.wavelength = planes.wavelength[:, y, x] / stretch
        self.seen = self.wavelength.mean(axis=0) * stretch
        self.pointing, self.optics = pointing, optics
        self.power = optics.resolving_power(self.field.number, self.seen)
        self.leak = optics.leak(self.field.number, self.seen)
        width = np.diff(self.alpha, axis=0)[0] * self.field.beta_step
        self.area_sr = width * self.field.area * pointing.va_scale**2 * ARCSEC**2

    def place(self, ra_deg: float, dec_deg: float) -> tuple[float, float]:
        """Return the angles along and across slices of a place on the sky [arcsec]."""
        alpha, beta = self.field.to_telescope.inverse(*self.pointing.from_sky(ra_deg, dec_deg))
        return float(alpha), float(beta)

    def density(
        self,
        spectrum: Spectrum,
        among: NDArray[np.intp] | slice,
        velocity_km_s: FloatArray | float = 0.0,
        spread_km_s: FloatArray | float = 0.0,
        *,
        lines_only: bool = False,
    ) -> FloatArray:
        """Return a spectrum's mean flux density over pixels [Jy]."""
        low, high, power = *self.wavelength[:, among], self.power[among]
        moving = {"velocity_km_s": velocity_km_s, "spread_km_s": spread_km_s}
        part = spectrum.mean_of_lines if lines_only else spectrum.mean
        seen = part(low, high, power, **moving)
        if self.leak is not None:
            # Of the second order the pixels see half the range; its resolving power is the same.
            seen += self.leak[among] * part(low / 2, high / 2, power, **moving)
        return seen

    def background(self, spectrum: Spectrum) -> FloatArray:
        return self.density(spectrum, slice(None))

    def point(self, source: Point) -> FloatArray:
        """Return what a point adds to pixels [MJy/sr]."""
        alpha, beta = self.place(source.ra_deg, source.dec_deg)
        spread, (along, across) = self.optics.spread, self.field.scales
        reach = _REACH * float(spread.parts(self.seen.max())[1][1])
        middle = self.alpha.mean(axis=0)
        near = np.nonzero(np.hypot((middle - alpha) * along, (self.beta - beta) * across) < reach)[
            0
        ]
        left, right = (self.alpha[:, near] - alpha) * along
        bottom, top = (
            (self.beta[near] - beta + side * self.field.beta_step / 2) * across for side in (-1, 1)
        )
        seen = spread.within(self.seen[near], left, right, bottom, top)
        added = np.zeros(self.beta.shape)
        added[near] = seen * self.density(source.spectrum, near) * 1e-6 / self.area_sr[near]
        return added

    def cloud(self, source: Cloud) -> FloatArray:
        """Return what a cloud adds to pixels [MJy/sr]."""
        alpha, beta = self.place(source.ra_deg, source.dec_deg)
        axis = self._direction(source, alpha, beta)
        own = source.fwhm_arcsec / FWHM
        scales, matrix_area = self.field.scales, self.field.area / np.prod(self.field.scales)
        per_sr = 1e-6 / (ARCSEC**2 * self.pointing.va_scale**2 * matrix_area)
        middle, width = self.alpha.mean(axis=0), np.diff(self.alpha, axis=0)[0]
        lit, lines = np.zeros(self.beta.shape), np.zeros(self.beta.shape)
        every, gradient = slice(None), source.gradient_km_s_arcsec
        for share, spread in self.optics.spread.parts(self.seen):
            variance = own**2 + spread**2
            for first, second in product((-_GAUSS, _GAUSS), repeat=2):
                a = (middle + first * width - alpha) * scales[0]
                b = (self.beta + second * self.field.beta_step - beta) * scales[1]
                brightness = np.exp(-(a**2 + b**2) / (2 * variance)) / (2 * np.pi * variance)
                brightness *= share / 4
                velocity = gradient * (a * axis[0] + b * axis[1]) * own**2 / variance
                scatter = abs(gradient) * own * spread / np.sqrt(variance)
                lit += brightness
                lines += brightness * self.density(
                    source.spectrum, every, velocity, scatter, lines_only=True
                )
        smooth = replace(source.spectrum, lines=())
        return np.asarray((lit * self.density(smooth, every) + lines) * per_sr)

    def _direction(self, source: Cloud, alpha: float, beta: float) -> FloatArray:
        """Return the axis of steepest velocity along and across slices, of unit length."""
        angle, step_deg = np.radians(source.position_angle_deg), 1 / 3600
        east = step_deg * np.sin(angle) / np.cos(np.radians(source.dec_deg))
        there = self.place(source.ra_deg + east, source.dec_deg + step_deg * np.cos(angle))
        axis = np.array([there[0] - alpha, there[1] - beta]) * self.field.scales
        return np.asarray(axis / np.hypot(*axis))


def render_slices(
    scene: SpectralScene,
    slicer: ImageSlicer,
    *,
    pointing: Pointing,
    optics: Optics,
    velocity_km_s: float = 0.0,
) -> SlicedSky:
    """Render a scene as an image slicer shows it.

    Parameters
    ----------
    scene
        The sky.
    slicer
        Where pixels look.
    pointing
        Where the telescope looks.
    optics
        What spreads the light.
    velocity_km_s
        The telescope's velocity away from the scene; it sees wavelengths longer by that.

    Returns
    -------
    SlicedSky
        Before the ends of slices, fringes and the response of pixels.
    """
    sources, background = np.zeros(slicer.shape), np.zeros(slicer.shape)
    places: dict[int, list[tuple[float, float]]] = {}
    for number, field in enumerate(slicer.fields):
        part = _Rendering(slicer, number, pointing, optics, velocity_km_s)
        background[part.pixels] = part.background(scene.background)
        for point in scene.points:
            sources[part.pixels] += part.point(point)
        for cloud in scene.clouds:
            sources[part.pixels] += part.cloud(cloud)
        places[field.number] = [part.place(one.ra_deg, one.dec_deg) for one in scene.sources]
    return SlicedSky(sources=sources, background=background, places=places)
