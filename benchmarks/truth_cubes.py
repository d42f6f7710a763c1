"""What cubes of an image slicer and their spectra are held against: scores of a point and of a cloud.

Spectra come in realisations (other seeds, the same detectors and references): what differs from one to the
other is noise, and what they have in common is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from calcore.simulate.spectra import FWHM, LIGHT_KM_S, Line, Spectrum
from calcore.simulate.spectral_scene import Cloud
from calcore_miri.simulate import slicers
from calcore_miri.simulate.spectrometer import resolving_power, spread

FloatArray = NDArray[np.float64]
CHANNELS = (1, 2, 3, 4)
BAND = "SHORT"
ENDS = 10
"""Planes at either end of a band that do not count: slices end there at several wavelengths."""
LAGS = 6
"""Planes over which the noise of a spectrum is taken to be correlated."""
WINDOW = 4.0
"""A line is fitted so far to either side [widths]."""
BRIGHT = 0.3
"""Of the cloud's peak: where its velocities are measured."""
MEDIAN, MODULATION, ERROR = 0.005, 0.01, 0.1
BIAS, PHOTONS = 0.01, 1.2
TOTAL, VELOCITY = 0.01, 0.1
SIGMA = 3.0
"""Figures have an error of their own; so many of it are allowed on top of limits."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Spectra:
    """A channel's spectra of one source in several realisations.

    Attributes
    ----------
    channel
        Its number.
    wavelength : (plane,)
        Middle of each plane [um].
    flux, error : (realisation, plane)
        Flux density and its stated error [Jy].
    true : (plane,)
        The source's flux density [Jy].
    """

    channel: int
    wavelength: FloatArray
    flux: FloatArray
    error: FloatArray
    true: FloatArray

    @property
    def ratio(self) -> FloatArray:
        """Measured over true flux (realisation, plane)."""
        return self.flux / self.true

    @property
    def pulls(self) -> FloatArray:
        """What is noise, over the stated error (realisation, plane); with all its scatter."""
        count = len(self.flux)
        noise = (self.flux - self.flux.mean(axis=0)) * np.sqrt(count / (count - 1))
        return noise / self.error.mean(axis=0)

    @property
    def noise(self) -> float:
        """Scatter from one realisation to the next over the stated error."""
        return float(np.sqrt(np.mean(self.pulls**2)))

    @property
    def correlation(self) -> FloatArray:
        """Correlation of the noise with that so many planes farther, from 0 on."""
        pulls = self.pulls
        found = [np.mean(pulls[:, : pulls.shape[1] - k] * pulls[:, k:]) for k in range(LAGS)]
        return np.array(found) / found[0]

    @property
    def independent(self) -> float:
        """How many independent values a realisation has."""
        return self.wavelength.size / (2 * float(np.abs(self.correlation).sum()) - 1)


@dataclass(frozen=True, kw_only=True)
class BandScore:
    """How a point source's spectrum compares with the truth in one channel.

    Attributes
    ----------
    program, channel
        Whose, and of which channel.
    median, median_error
        Of measured over true flux, and how well that is known.
    modulation
        Root mean square of what all realisations have in common, about the median.
    noise, noise_error
        Scatter of realisations over the stated error, and how well that is known.
    """

    program: str
    channel: int
    median: float
    median_error: float
    modulation: float
    noise: float
    noise_error: float

    @property
    def misses(self) -> list[str]:
        """Limits that are broken."""
        found = []
        if abs(self.median - 1) > MEDIAN + SIGMA * self.median_error:
            found.append("median")
        if self.modulation > MODULATION:
            found.append("modulation")
        if abs(self.noise - 1) > ERROR + SIGMA * self.noise_error:
            found.append("noise")
        return found


def band_score(program: str, spectra: Spectra, known: Spectra | None = None) -> BandScore:
    """Return the score of some realisations.

    Parameters
    ----------
    program
        Whose spectra.
    spectra
        They.
    known
        Those whose scatter is taken where there is one realisation only: of the same exposures in the same
        aperture, by another program.
    """
    count = len(spectra.flux)
    scatter = known or spectra
    true_error = scatter.noise * scatter.error.mean(axis=0)
    relative = true_error / spectra.true
    ratio = spectra.ratio
    middle = float(np.median(ratio.mean(axis=0)))
    away = ratio - middle
    # What realisations share adds as the square of their sum, their noise does not.
    common = np.mean(away.mean(axis=0) ** 2) - np.mean(relative**2) / count
    realisations = len(scatter.flux)
    return BandScore(
        program=program,
        channel=spectra.channel,
        median=middle,
        median_error=float(1.25 * np.median(relative) / np.sqrt(scatter.independent * count)),
        modulation=float(np.sqrt(max(common, 0.0))),
        noise=float(np.sqrt(np.mean((true_error / spectra.error.mean(axis=0)) ** 2))),
        noise_error=float(scatter.noise / np.sqrt(2 * scatter.independent * (realisations - 1))),
    )


@dataclass(frozen=True, kw_only=True)
class LineScore:
    """How well centres of lines are found in a channel; all in widths, the resolution elements.

    Attributes
    ----------
    program, channel
        Whose, and of which channel.
    bias : one for each line
        Mean of measured less true centre.
    bias_error
        How well that is known, likewise.
    chi2, freedom
        Sum of squares of departures from the mean over the photon limit, and how many are independent.
    """

    program: str
    channel: int
    bias: tuple[float, ...]
    bias_error: tuple[float, ...]
    chi2: float
    freedom: int

    @property
    def misses(self) -> list[str]:
        """Limits that are broken."""
        wide = zip(self.bias, self.bias_error, strict=True)
        return ["bias"] if any(abs(b) > BIAS + SIGMA * e for b, e in wide) else []


def scatter_of(scores: Sequence[LineScore]) -> tuple[float, float]:
    """Return the scatter of centres over the photon limit, and how well that is known."""
    freedom = sum(score.freedom for score in scores)
    if not freedom:
        return np.nan, np.nan
    scatter = float(np.sqrt(sum(score.chi2 for score in scores) / freedom))
    return scatter, scatter / np.sqrt(2 * freedom)


def line_score(
    program: str, spectra: Spectra, lines: Sequence[Line], known: Spectra | None = None
) -> LineScore:
    """Return how well the centres of lines are found; parameters are as for `band_score`."""
    bias, errors, chi2, freedom = [], [], 0.0, 0
    count = len(spectra.flux)
    for line in inside(lines, spectra.wavelength):
        at = line.wavelength_um
        width = float(at / resolving_power(spectra.channel, BAND, np.array(at)))
        near = np.abs(spectra.wavelength - at) < WINDOW * width
        centres = np.array(
            [
                centre_of(spectra.wavelength[near], flux[near], error[near], at, width)
                for flux, error in zip(spectra.flux, spectra.error, strict=True)
            ]
        )
        limit = photon_limit(known or spectra, at, width) / width
        off = (centres - at) / width
        bias.append(float(off.mean()))
        errors.append(limit / np.sqrt(count))
        chi2 += float(((off - off.mean()) ** 2).sum()) / limit**2
        freedom += count - 1
    return LineScore(
        program=program, channel=spectra.channel, bias=tuple(bias), bias_error=tuple(errors),
        chi2=chi2, freedom=freedom,
    )  # fmt: skip


def inside(lines: Sequence[Line], wavelength: FloatArray) -> list[Line]:
    """Return the lines that lie well within a band [um]."""
    margin = 0.02 * np.ptp(wavelength)
    low, high = wavelength.min() + margin, wavelength.max() - margin
    return [line for line in lines if low < line.wavelength_um < high]


def _line(
    x: FloatArray, centre: float, deviation: float, height: float, level: float, slope: float
) -> FloatArray:
    shape = np.exp(-0.5 * ((x - centre) / deviation) ** 2)
    return np.asarray(height * shape + level + slope * (x - x.mean()))


def centre_of(
    wavelength: FloatArray, flux: FloatArray, error: FloatArray, at: float, width: float
) -> float:
    """Return the centre of a Gaussian line on a straight continuum [um]; NaN if no fit is found."""
    start = at, width / FWHM, np.ptp(flux), float(np.median(flux)), 0.0
    try:
        found, _ = curve_fit(_line, wavelength, flux, start, sigma=error)
    except RuntimeError:
        return np.nan
    return float(found[0])


def photon_limit(spectra: Spectra, at: float, width: float) -> float:
    """Return the Cramér-Rao bound of a line's centre [um].

    Of a Gaussian of unknown centre, width and height on a straight line, in the true noise of the extracted
    spectrum: scatter and correlation of neighbouring planes are those of the realisations.
    """
    near = np.abs(spectra.wavelength - at) < WINDOW * width
    x, flux = spectra.wavelength[near], spectra.flux.mean(axis=0)[near]
    error = spectra.noise * spectra.error.mean(axis=0)[near]
    start = at, width / FWHM, np.ptp(flux), float(np.median(flux)), 0.0
    best, _ = curve_fit(_line, x, flux, start, sigma=error)
    scales = np.array([width, width, best[2], best[2], best[2] / width])
    steps = 1e-4 * np.diag(scales)
    change = np.array([(_line(x, *(best + s)) - _line(x, *(best - s))) / 2e-4 for s in steps])
    apart = np.abs(np.subtract.outer(np.arange(x.size), np.arange(x.size)))
    shared = np.append(spectra.correlation, 0.0)[np.minimum(apart, LAGS)]
    values, vectors = np.linalg.eigh(shared * np.outer(error, error))
    values = np.maximum(values, 1e-3 * values.max())  # measured, and so maybe not positive
    whitened = (change @ vectors) / np.sqrt(values)
    return float(np.sqrt(np.linalg.inv(whitened @ whitened.T)[0, 0]) * width)


def read_spectra(paths: Sequence[Path], channel: int, true: Spectrum) -> Spectra:
    """Read spectra of a point source, one for each realisation; planes that all have."""
    tables = [fits.getdata(path, "EXTRACT1D")[ENDS:-ENDS] for path in paths]
    wave = np.asarray(tables[0]["WAVELENGTH"], np.float64)
    flux, error = (np.array([t[n] for t in tables], np.float64) for n in ("FLUX", "FLUX_ERROR"))
    return spectra_of(channel, wave, flux, error, true)


def spectra_of(
    channel: int, wave: FloatArray, flux: FloatArray, error: FloatArray, true: Spectrum
) -> Spectra:
    """Return spectra, without the planes that one of them lacks."""
    half = float(np.median(np.diff(wave))) / 2
    power = resolving_power(channel, BAND, wave)
    good = (np.isfinite(flux) & np.isfinite(error) & (error > 0)).all(axis=0)
    return Spectra(
        channel=channel, wavelength=wave[good], flux=flux[:, good], error=error[:, good],
        true=true.mean(wave - half, wave + half, power)[good],
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CloudScore:
    """How an extended source's cube compares with the truth in one channel.

    Attributes
    ----------
    program, channel
        Whose, and of which channel.
    total
        Median over wavelengths of all its light over the true one.
    velocity
        Root mean square of errors of velocities over spaxels and lines [width].
    slope
        Measured over true gradient of velocity.
    spaxels
        How many velocities.
    """

    program: str
    channel: int
    total: float
    velocity: float
    slope: float
    spaxels: int

    @property
    def misses(self) -> list[str]:
        """Limits that are broken."""
        broken = ["total"] if abs(self.total - 1) > TOTAL else []
        return broken + (["velocity"] if not self.velocity <= VELOCITY else [])


def cloud_score(program: str, path: Path, channel: int, cloud: Cloud) -> CloudScore:
    """Return the score of a cube of a cloud that turns."""
    with fits.open(path) as hdus:
        header, cube = hdus["SCI"].header, np.asarray(hdus["SCI"].data, np.float64)
        error, count = (np.asarray(hdus[name].data, np.float64) for name in ("ERR", "WMAP"))
    planes = np.arange(len(cube))[ENDS:-ENDS]
    wave = header["CRVAL3"] + header["CDELT3"] * (planes + 1 - header["CRPIX3"])
    cube, error, count = (part[planes] for part in (cube, error, count))
    y, x = np.indices(cube.shape[1:])
    ra, dec = WCS(header).celestial.pixel_to_world_values(x, y)
    east = (ra - cloud.ra_deg) * np.cos(np.radians(cloud.dec_deg)) * 3600
    light, along = _cloud_light(cloud, float(wave.mean()), east, (dec - cloud.dec_deg) * 3600)
    seen = (count > 0) & np.isfinite(cube)
    smooth = cloud.spectrum.continuum(wave)[:, None, None] * light
    half, power = header["CDELT3"] / 2, resolving_power(channel, BAND, wave)
    lines = cloud.spectrum.mean(wave - half, wave + half, power) / cloud.spectrum.continuum(wave)
    # Lines lie elsewhere in each spaxel; what counts are wavelengths that have none.
    calm = lines < 1.001
    sums = np.where(seen, cube, 0).sum((1, 2)) / np.where(seen, smooth, 0).sum((1, 2))
    bright = (light > BRIGHT * light.max()) & seen.all(axis=0)
    measured, true, widths = [], [], []
    for line in inside(cloud.spectrum.lines, wave):
        at = line.wavelength_um
        width = float(at / resolving_power(channel, BAND, np.array(at)))
        for j, i in np.argwhere(bright):
            centre = at * (1 + along[j, i] / LIGHT_KM_S)
            near = np.abs(wave - centre) < WINDOW * width
            own = slice(None), j, i
            found = centre_of(wave[near], cube[own][near], error[own][near], centre, width)
            measured.append((found / at - 1) * LIGHT_KM_S)
            true.append(along[j, i])
            widths.append(width / at * LIGHT_KM_S)
    off = (np.array(measured) - true) / widths
    return CloudScore(
        program=program,
        channel=channel,
        total=float(np.median(sums[calm])),
        velocity=float(np.sqrt(np.mean(off**2))),
        slope=float(np.polyfit(true, measured, 1)[0]),
        spaxels=len(measured),
    )


def _cloud_light(
    cloud: Cloud, wavelength_um: float, east: FloatArray, north: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the brightness of a cloud of 1 Jy [MJy/sr], and the velocity that lines show [km/s]."""
    angle, own = np.radians(cloud.position_angle_deg), cloud.fwhm_arcsec / FWHM
    along = east * np.sin(angle) + north * np.cos(angle)
    per_sr = 1e-6 * np.degrees(3600.0) ** 2
    light, moved = np.zeros(east.shape), np.zeros(east.shape)
    row = next(r for r in slicers.table()["channel"].values() if _shows(r, wavelength_um))
    # A pixel, and a spaxel, average over what they see.
    boxes = (row["pixel_arcsec"] ** 2 + row["slice_arcsec"] ** 2 + row["spaxel"] ** 2) / 12
    for share, deviation in spread().parts(wavelength_um):
        variance = own**2 + float(deviation) ** 2 + boxes
        part = share * np.exp(-(east**2 + north**2) / (2 * variance)) / (2 * np.pi * variance)
        light += part * per_sr
        moved += part * per_sr * cloud.gradient_km_s_arcsec * along * own**2 / variance
    return light, moved / light


def _shows(row: dict[str, dict[str, dict[str, list[float]]]], wavelength_um: float) -> bool:
    low, high = row["band"][BAND]["range"]
    return low < wavelength_um < high
