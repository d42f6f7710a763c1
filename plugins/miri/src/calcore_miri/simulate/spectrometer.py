"""The medium-resolution spectrometer for the simulator: its light, and what it does to it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from calcore.errors import UnknownName
from calcore.simulate.geometry import Geometry
from calcore.simulate.image_slicer import ImageSlicer
from calcore.simulate.physics import Effects
from calcore.simulate.reference_io import Setup
from calcore.simulate.sky_options import SkyOptions, Target
from calcore.simulate.slicer_render import Optics, render_slices
from calcore.simulate.spectra import Line, Spectrum
from calcore.simulate.spectral_scene import Cloud, Point, SpectralScene
from calcore.simulate.spectrograph import SpectralImage
from calcore.simulate.spread import CoreHalo
from calcore_miri.simulate import slicers

FloatArray = NDArray[np.float64]
Maker = Callable[[Setup, Path], None]

BLAZE = 0.3
"""By how much more light a DN/s takes at the ends of a band than in its middle."""
FAINT = 0.05
"""Transmission of the ends of slices below which nothing is calibrated."""
CM_UM = 1e4
BACKGROUND = Spectrum(flux_jy=40.0, reference_um=10.0, slope=2.5)
"""Zodiacal light and telescope [MJy/sr]: of the size of JDox's "JWST Background Model"."""
CONTINUUM = Spectrum(flux_jy=0.01, reference_um=10.0, slope=-0.5)
LINES_A_BAND = (0.3, 0.7)
"""Where lines lie in a band; on each side of its middle, so that a tilt shows."""
EQUIVALENT = 1e-3
"""Equivalent width of lines over their wavelength."""
CLOUD_ARCSEC, CLOUD_KM_S_ARCSEC = 1.6, 80.0
CLOUD_JY = 0.2
SOURCES = ("point", "extended", "uniform")


def spread() -> CoreHalo:
    """Return the image of a star."""
    return CoreHalo.of(slicers.table()["spread"])


def resolving_power(number: int, band: str, wavelength_um: FloatArray) -> FloatArray:
    """Return the resolving power of a channel and band."""
    row = slicers.channel(number)["band"][band]
    return np.asarray(np.interp(wavelength_um, row["range"], row["resolving_power"]))


def leak(number: int, band: str, wavelength_um: FloatArray) -> FloatArray | None:
    """Return the part of light of half the wavelength that a channel and band sees; None if none."""
    row = slicers.table()["leak"]
    if (number, band) != (row["channel"], row["band"]):
        return None
    away = (wavelength_um - row["middle_um"]) / row["width_um"]
    return np.asarray(row["fraction"] * np.exp(-0.5 * away**2))


def sensitivity_left(number: int, wavelength_um: FloatArray, mjd: float) -> FloatArray:
    """Return the sensitivity of a channel at a time [MJD] over that at the beginning.

    A power law of time at some wavelengths, and a straight line between them.
    """
    row = slicers.table()["ageing"]
    own = row[str(number)]
    since = (mjd - row["t0"] + row["tsoft"]) / (365 + row["tsoft"])
    left = np.array(own["year1value"]) * since ** np.array(own["alpha"])
    return np.asarray(np.interp(wavelength_um, own["binwave"], left))


def scene_of(source: str, sky: SkyOptions, target: Target) -> SpectralScene:
    """Return the sky of a visit: lines lie in all bands of all channels."""
    if source not in SOURCES:
        raise UnknownName("simulated source", source, SOURCES)
    ra, dec = target.ra_deg % 360, target.dec_deg
    background = Spectrum(
        flux_jy=BACKGROUND.flux_jy * sky.background, reference_um=BACKGROUND.reference_um,
        slope=BACKGROUND.slope,
    )  # fmt: skip
    empty = SpectralScene(ra_deg=ra, dec_deg=dec, background=background)
    if source == "uniform":
        return empty
    extended = source == "extended"
    level = CLOUD_JY / CONTINUUM.flux_jy if extended else 1.0
    spectrum = Spectrum(
        flux_jy=level * CONTINUUM.flux_jy, reference_um=CONTINUUM.reference_um,
        slope=CONTINUUM.slope, lines=tuple(_lines(level)),
    )  # fmt: skip
    if extended:
        cloud = Cloud(
            ra_deg=ra, dec_deg=dec, spectrum=spectrum, fwhm_arcsec=CLOUD_ARCSEC,
            gradient_km_s_arcsec=CLOUD_KM_S_ARCSEC, position_angle_deg=60.0,
        )  # fmt: skip
        return replace(empty, clouds=(cloud,))
    return replace(empty, points=(Point(ra_deg=ra, dec_deg=dec, spectrum=spectrum),))


def _lines(level: float) -> list[Line]:
    """Return lines that stand out from the continuum as much at all wavelengths."""
    found = []
    for number in slicers.table()["channel"]:
        for row in slicers.channel(int(number))["band"].values():
            low, high = row["range"]
            for place in LINES_A_BAND:
                wave = low + place * (high - low)
                # A density in Jy times 1e-26 is one in W/m²/Hz; c over the wavelength squared
                # makes it one by wavelength.
                by_um = 1e-26 * float(CONTINUUM.continuum(wave)) * 2.99792458e14 / wave**2
                flux = level * by_um * EQUIVALENT * wave
                found.append(Line(wavelength_um=round(wave, 4), flux_w_m2=flux, fwhm_km_s=20.0))
    return found


class Spectrometer:
    """The spectrometer in one band.

    The makers of its references are given: those of a detector and band ask it what they need.
    """

    def __init__(
        self,
        band: str,
        geometry: Path | None,
        of_a_band: Mapping[str, Callable[["Spectrometer", Setup, Path], None]],
        of_all: Mapping[str, Maker],
    ) -> None:
        if band not in slicers.BANDS:
            raise UnknownName("band", band, slicers.BANDS)
        self.band, self.folder = band, geometry
        self._of_a_band, self._of_all = of_a_band, of_all
        self._slicers: dict[str, ImageSlicer] = {}
        self._calibrations: dict[str, FloatArray] = {}

    @cached_property
    def makers(self) -> Mapping[str, Maker]:
        """Makers of references, by kind."""
        return {kind: partial(make, self) for kind, make in self._of_a_band.items()} | dict(
            self._of_all
        )

    @property
    def recipe(self) -> str:
        """What references depend on."""
        return f"{slicers.table()} {self.folder}"

    @property
    def notes(self) -> Mapping[str, Any]:
        """What the optics do."""
        return spread().notes | {"channels": slicers.table()["channel"]}

    def slicer(self, detector: str) -> ImageSlicer:
        """Return the slicers before a detector."""
        if detector not in self._slicers:
            if self.folder is None:
                self._slicers[detector] = slicers.slicer_in_short(detector, self.band)
            else:
                paths = slicers.find_files(self.folder, detector, self.band)
                trees = slicers.read_files(paths)
                self._slicers[detector] = slicers.slicer_from_files(trees, self.band)
        return self._slicers[detector]

    def scene(self, source: str, sky: SkyOptions, target: Target) -> SpectralScene:
        """Return the sky that a visit sees."""
        return scene_of(source, sky, target)

    def calibration(self, detector: str) -> FloatArray:
        """Return the surface brightness that gives one DN/s [MJy/sr], (y, x); NaN between slices."""
        if detector not in self._calibrations:
            self._calibrations[detector] = self._calibration(detector)
        return self._calibrations[detector]

    def _calibration(self, detector: str) -> FloatArray:
        slicer = self.slicer(detector)
        planes = slicer.planes
        middle = planes.wavelength.mean(axis=0)
        found = np.full(slicer.shape, np.nan)
        for place, field in enumerate(slicer.fields):
            row = slicers.channel(field.number)
            low, high = row["band"][self.band]["range"]
            own = (planes.field == place) & (planes.transmission > FAINT)
            away = (2 * middle[own] - low - high) / (high - low)
            found[own] = row["response"] * (1 + BLAZE * away**2) / planes.transmission[own]
        return found

    def fringes(self, detector: str, *, point: bool = False) -> FloatArray:
        """Return how interference changes the light, of a lamp or of a star, (y, x); 1 between slices."""
        row = slicers.table()["fringes"]
        planes = self.slicer(detector).planes
        with np.errstate(invalid="ignore"):
            waves = row["path_cm"] * CM_UM / planes.wavelength.mean(axis=0)
        phase = 2 * np.pi * (waves + 0.1 * planes.order)
        amplitude = row["point_amplitude" if point else "amplitude"]
        swing = amplitude * np.cos(phase + (row["point_phase"] if point else 0))
        return np.asarray(np.where(planes.order >= 0, 1 + swing, 1.0))

    def left(self, detector: str, mjd: float) -> FloatArray:
        """Return the sensitivity that is left at a time, (y, x); 1 between slices."""
        slicer = self.slicer(detector)
        waves = slicer.planes.wavelength.mean(axis=0)
        left = np.ones(slicer.shape)
        for place, field in enumerate(slicer.fields):
            own = slicer.planes.field == place
            left[own] = sensitivity_left(field.number, waves[own], mjd)
        return left

    def stray(self, detector: str, light: FloatArray) -> FloatArray:
        """Return the light that rows scatter along themselves, (y, x), in the unit of `light`."""
        ny, nx = light.shape
        size = next_fast_len(3 * nx, real=True)
        away = np.arange(-nx + 1, nx)
        total = np.zeros(light.shape)
        planes = self.slicer(detector).planes
        for place, field in enumerate(self.slicer(detector).fields):
            row = slicers.table()["stray"][str(field.number)]
            own = np.where(planes.field == place, light, 0.0)
            kernel = stray_kernel(stray_rows(row, ny), away)
            found = irfft(rfft(own, size, axis=1) * rfft(kernel, size, axis=1), size, axis=1)
            total += found[:, nx - 1 : 2 * nx - 1]
        return total

    def image(
        self,
        scene: SpectralScene,
        geometry: Geometry,
        *,
        mid_mjd: float,
        velocity_km_s: float,
        gain: float,
        effects: Effects,
    ) -> SpectralImage:
        """Return what a detector sees of a scene."""
        name = geometry.detector.name
        slicer = self.slicer(name)
        sky = render_slices(
            scene, slicer, pointing=geometry.exposure_pointing, velocity_km_s=velocity_km_s,
            optics=Optics(
                spread=spread(),
                resolving_power=lambda number, waves: resolving_power(number, self.band, waves),
                leak=lambda number, waves: leak(number, self.band, waves) if effects.leak else None,
            ),
        )  # fmt: skip
        lamp, star = 1.0 + 0 * sky.sources, 1.0 + 0 * sky.sources
        if effects.fringes:
            lamp = self.fringes(name)
            star = (
                lamp
                if scene.clouds or not effects.point_fringes
                else self.fringes(name, point=True)
            )
        numbers = (sky.background * lamp + sky.sources * star) / self.calibration(name)
        numbers = np.nan_to_num(numbers)
        if effects.ageing:
            numbers *= self.left(name, mid_mjd)
        left, right, bottom, top = geometry.detector.reference_border
        ny, nx = numbers.shape
        lit = np.zeros(numbers.shape, np.bool_)
        lit[bottom : ny - top, left : nx - right] = True
        stray = np.zeros(numbers.shape)
        if effects.stray_light:
            stray = np.where(lit, self.stray(name, numbers), 0.0)
        wave = slicer.planes.wavelength.mean(axis=0) / (1 + velocity_km_s / 299792.458)
        return SpectralImage(
            rate=np.where(lit, numbers + stray, 0.0) * gain,
            planes={
                "SURF_BRIGHT": (sky.sources + sky.background, "MJy/sr"),
                "BACKGROUND": (sky.background, "MJy/sr"),
                "WAVELENGTH": (wave, "um"),
                "STRAY_DN": (stray, "DN/s"),
                "RESIDUAL_FRINGES": (star / lamp, ""),
            },
            sources=_sources(scene, sky.places),
        )


def stray_rows(row: Mapping[str, Any], ny: int) -> dict[str, FloatArray]:
    """Return what light is scattered in each row of a channel, by the names of the reference's columns."""
    return {
        name: np.linspace(value[0], value[-1], ny)
        if isinstance(value, list)
        else np.full(ny, value)
        for name, value in row.items()
    }


def stray_kernel(rows: Mapping[str, FloatArray], away: NDArray[np.integer]) -> FloatArray:
    """Return the part of a pixel's light that is scattered to columns at these distances, (y, column).

    A Lorentzian, and on either side a Gaussian and another at twice its distance, twice as wide.
    """
    part = {name: value[:, None] for name, value in rows.items()}
    half = part["lor_fwhm"] / 2
    kernel = part["lor_scale"] * half**2 / (half**2 + away**2)
    deviation = part["gau_fwhm"] / 2.354820045
    for order in (1, 2):
        for side in (-1, 1):
            offset = (away - side * order * part["gau_xoff"]) / (order * deviation)
            kernel = kernel + part[f"gau_scale{order}"] * np.exp(-0.5 * offset**2)
    return np.asarray(kernel)


def _sources(scene: SpectralScene, places: Mapping[int, list[tuple[float, float]]]) -> Table:
    """Return where sources are seen: angles along and across slices in each channel [arcsec]."""
    rows = [
        ("point" if k < len(scene.points) else "cloud", one.ra_deg, one.dec_deg, number, *seen[k])
        for number, seen in places.items()
        for k, one in enumerate(scene.sources)
    ]
    names = ("kind", "ra_deg", "dec_deg", "channel", "alpha_arcsec", "beta_arcsec")
    return Table(rows=rows or None, names=names, dtype=("U5", "f8", "f8", "i8", "f8", "f8"))
