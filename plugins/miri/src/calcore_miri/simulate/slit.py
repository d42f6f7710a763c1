"""The low-resolution spectrometer for the simulator, with its slit and without."""

import tomllib
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from calcore.errors import BadParameter, UnknownName
from calcore.simulate.geometry import Geometry, pixel_jacobian
from calcore.simulate.physics import Effects
from calcore.simulate.reference_io import Setup
from calcore.simulate.sky_options import SkyOptions, Target
from calcore.simulate.slit_render import Slit, Trace, render_slit
from calcore.simulate.spectra import Line, Spectrum
from calcore.simulate.spectral_scene import Cloud, Point, SpectralScene
from calcore.simulate.spectrograph import SpectralImage
from calcore.simulate.spread import CoreHalo
from calcore.simulate.tables import Detector

FloatArray = NDArray[np.float64]
BLAZE = 0.5
"""By how much more light a DN/s takes at the ends of the range than in its middle."""
BACKGROUND = Spectrum(flux_jy=20.0, reference_um=10.0, slope=2.5)
"""Zodiacal light and telescope [MJy/sr]: of the size of JDox's "JWST Background Model"."""
POINT_JY = {"slit": 0.005, "slitless": 0.03}
CLOUD_JY, CLOUD_ARCSEC = 0.02, 1.2
SLOPE = -0.5
LINES_UM = (6.2, 7.7, 9.66, 11.3)
EQUIVALENT = 0.004
"""Equivalent width of lines over their wavelength."""
SOURCES = ("point", "extended", "uniform")


@cache
def table() -> Mapping[str, Any]:
    """Return the spectrometer in short."""
    path = files("calcore_miri") / "tables" / "slit.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def spread() -> CoreHalo:
    """Return the image of a star."""
    return CoreHalo.of(table()["spread"])


def trace_in_short() -> Trace:
    """Make the trace from the published figures."""
    row = table()
    first, last = row["rows"]
    rows = np.arange(first, last + 1.0)
    squared = row["wavelength_squared"] + row["wavelength_squared_by_row"] * rows
    columns = row["column_by_row"] * rows + row["column_by_row_squared"] * rows**2
    return Trace(rows=rows, columns=columns, wavelengths=np.sqrt(squared))


def trace_from_file(path: Path) -> Trace:
    """Return the trace of a reference file."""
    rows = fits.getdata(path, "WAVETABLE")
    rows = rows[np.argsort(rows["Y_CENTER"])]
    names = ("Y_CENTER", "X_CENTER", "WAVELENGTH")
    values = (np.asarray(rows[name], np.float64) for name in names)
    return Trace(**dict(zip(("rows", "columns", "wavelengths"), values, strict=True)))


def find_file(folder: Path, exposure_type: str) -> Path:
    """Return the reference of the trace in a folder; raises `BadParameter` if there is none."""
    for path in sorted(folder.glob("*.fits")):
        header = fits.getheader(path)
        if (header.get("REFTYPE"), header.get("EXP_TYPE")) == ("SPECWCS", exposure_type):
            return path
    raise BadParameter(
        f"{folder} has no specwcs of {exposure_type}; give a folder that has, or none, which takes "
        "the geometry that the simulator brings"
    )


def resolving_power(wavelength_um: FloatArray) -> FloatArray:
    """Return the wavelength over the width of a line; it grows steadily."""
    row = table()["resolving_power"]
    first, last = row["values"]
    low, high = row["wavelength_um"]
    return np.asarray(first + (last - first) * (wavelength_um - low) / (high - low)).clip(20)


def calibration(wavelength_um: FloatArray, slit: Slit) -> FloatArray:
    """Return the surface brightness that gives one DN/s [MJy/sr].

    A pixel gets as much light of a star with a slit as without; what it sees of the sky is less
    without, so that there it takes a higher surface brightness.
    """
    low, high = table()["response_um"]
    away = (2 * wavelength_um - low - high) / (high - low)
    wide = table()["width_arcsec"] / slit.scales[1] if slit.width_arcsec is None else 1.0
    return np.asarray(wide * table()["response"] * (1 + BLAZE * away**2))


class SlitSpectrometer:
    """The spectrometer with its slit, or without.

    The makers of its references are given, and ask it what they need.
    """

    def __init__(
        self,
        kind: str,
        geometry: Path | None,
        makers: Mapping[str, Callable[["SlitSpectrometer", Setup, Path], None]],
    ) -> None:
        self.kind = kind
        self.exposure_type = f"MIR_LRS-{'FIXEDSLIT' if kind == 'slit' else 'SLITLESS'}"
        self.file = None if geometry is None else find_file(geometry, self.exposure_type)
        self.trace = trace_in_short() if self.file is None else trace_from_file(self.file)
        self._makers = makers

    @property
    def makers(self) -> Mapping[str, Callable[[Setup, Path], None]]:
        """Makers of references, by kind."""
        return {kind: partial(make, self) for kind, make in self._makers.items()}

    @property
    def recipe(self) -> str:
        """What references depend on."""
        return f"{self.kind} {table()} {self.file}"

    @property
    def notes(self) -> Mapping[str, Any]:
        """What the optics do."""
        told = ("width_arcsec", "length_arcsec", "resolving_power")
        return spread().notes | {name: table()[name] for name in told}

    def middle(self) -> tuple[float, float]:
        """Return column and row of the slit's middle in the full frame, from 0."""
        if self.file is None:
            x, y = table()[self.kind]
        else:
            header = fits.getheader(self.file)
            names = ("IMX", "IMY") if self.kind == "slit" else ("IMXSLTL", "IMYSLTL")
            x, y = (header[name] for name in names)
        return float(x) - 1, float(y) - 1

    def slit(self, detector: Detector, shape: tuple[int, int], corner: tuple[int, int]) -> Slit:
        """Return the slit before a sub-array whose first pixel is at this row and column."""
        x, y = self.middle()
        along, across = np.hypot(*pixel_jacobian(detector, x, y))
        slit = self.kind == "slit"
        return Slit(
            shape=shape, middle=(x - corner[1], y - corner[0]), trace=self.trace,
            scales=(float(along), float(across)),
            width_arcsec=table()["width_arcsec"] if slit else None,
            length_arcsec=table()["length_arcsec"] if slit else None,
        )  # fmt: skip

    def scene(self, source: str, sky: SkyOptions, target: Target) -> SpectralScene:
        """Return the sky that a visit sees."""
        if source not in SOURCES:
            raise UnknownName("simulated source", source, SOURCES)
        ra, dec = target.ra_deg % 360, target.dec_deg
        background = Spectrum(
            flux_jy=BACKGROUND.flux_jy * sky.background, reference_um=BACKGROUND.reference_um,
            slope=BACKGROUND.slope,
        )  # fmt: skip
        extended = source == "extended"
        smooth = Spectrum(flux_jy=CLOUD_JY if extended else POINT_JY[self.kind], slope=SLOPE)
        lines = tuple(
            Line(wavelength_um=wave, flux_w_m2=_flux(smooth, wave) * EQUIVALENT)
            for wave in LINES_UM
        )
        spectrum = Spectrum(flux_jy=smooth.flux_jy, slope=SLOPE, lines=lines)
        point = Point(ra_deg=ra, dec_deg=dec, spectrum=spectrum)
        cloud = Cloud(ra_deg=ra, dec_deg=dec, spectrum=spectrum, fwhm_arcsec=CLOUD_ARCSEC)
        return SpectralScene(
            ra_deg=ra, dec_deg=dec, background=background,
            points=(point,) if source == "point" else (), clouds=(cloud,) if extended else (),
        )  # fmt: skip

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
        del effects, mid_mjd  # this spectrometer has no effects of its own
        part = geometry.subarray
        slit = self.slit(geometry.detector, part.shape, (part.ystart - 1, part.xstart - 1))

        def place(ra_deg: float, dec_deg: float) -> tuple[float, float]:
            x, y = geometry.from_sky(ra_deg, dec_deg)
            return float(x), float(y)

        sky = render_slit(
            scene, slit, place=place, spread=spread(), resolving_power=resolving_power,
            response=lambda waves: 1 / calibration(waves, slit), velocity_km_s=velocity_km_s,
            va_scale=geometry.pointing.va_scale,
        )  # fmt: skip
        seen = sky.sources + sky.background
        rows = np.nan_to_num(1 / calibration(slit.trace.wavelength(slit.rows()), slit))
        numbers = seen * rows[:, None]
        columns = np.arange(part.xsize) + part.xstart - 1
        left, right, _, _ = geometry.detector.reference_border
        numbers[:, (columns < left) | (columns >= geometry.detector.nx - right)] = 0
        names = ("kind", "ra_deg", "dec_deg", "x", "y")
        found = [
            ("point" if k < len(scene.points) else "cloud", one.ra_deg, one.dec_deg, *sky.places[k])
            for k, one in enumerate(scene.sources)
        ]
        return SpectralImage(
            rate=numbers * gain,
            planes={
                "SURF_BRIGHT": (seen, "MJy/sr"),
                "BACKGROUND": (sky.background, "MJy/sr"),
                "WAVELENGTH": (sky.wavelength, "um"),
            },
            sources=Table(rows=found or None, names=names, dtype=("U5", "f8", "f8", "f8", "f8")),
        )


def _flux(smooth: Spectrum, wave: float) -> float:
    """Return the light of a continuum in a range as wide as its wavelength [W/m²]."""
    return 1e-26 * float(smooth.continuum(wave)) * 2.99792458e14 / wave
