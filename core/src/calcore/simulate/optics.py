"""The telescope's point-spread function from its segmented pupil.

The image of a star is the squared Fourier transform of the pupil, done as two matrix products on
just the points that are wanted (Soummer et al. 2007, Optics Express 15, 15935), for several
wavelengths of the filter. The pupil is drawn on a grid along the detector's own axes, so that
scale, rotation, parity and skew at the detector's centre need no resampling. A pixel responds
evenly over its area.

Images are averaged with themselves turned by 180 degrees. A lopsided image lies at a different
place for each way of measuring it, by hundredths of a pixel; a symmetric one has one position,
which is what a truth is for.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import convolve1d, map_coordinates, spline_filter

from calcore.simulate.geometry import pixel_jacobian
from calcore.simulate.pointing import ARCSEC
from calcore.simulate.pupil import PUPIL_RADIUS_M, draw_pupil
from calcore.simulate.tables import Detector, Filter

FloatArray = NDArray[np.float64]

PUPIL_CELLS = 512
FINE = 8
"""Samples per pixel of the core."""
COARSE = 2
"""Samples per pixel of the wings: enough, as the pixel passes nothing beyond one cycle."""
CORE_PIXEL, TAPER_PIXEL = 8.0, 8.0
"""The core is whole up to the first and fades out over the second [pixel]."""
CORE_HALF = 16
ENCLOSED = 0.9955
"""The stamp grows until it holds this fraction of the energy."""
STAMP_FRINGES = 88
"""Half the stamp's width in λ/D, to begin with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PointSpread:
    """How a star's light falls on pixels, pixel response included.

    It is normalised to the energy that passes the pupil, so that what falls off the stamp is known.
    It is symmetric about its origin, a star's position.

    Attributes
    ----------
    half_size
        Half the width of the stamp [pixel].
    enclosed
        Fraction of the energy on the stamp.
    core
        Light per pixel about the origin, `FINE` samples per pixel, tapered to 0 at the
        edge; axes (y, x).
    wings
        What the core lacks, `COARSE` samples per pixel, over the stamp; axes (y, x).
    """

    half_size: int
    enclosed: float
    core: FloatArray
    wings: FloatArray

    @cached_property
    def core_spline(self) -> FloatArray:
        """Coefficients of the core's cubic spline, axes (phase y, phase x, y, x).

        The spline's node `FINE` * i + phase stands at [phase, phase, i, i]; two spare pixels of
        nothing surround the core.
        """
        margin = 2 * FINE
        padded = np.pad(self.core, ((margin, margin + FINE - 1), (margin, margin + FINE - 1)))
        nodes = spline_filter(padded, order=3, mode="mirror")
        n = nodes.shape[0] // FINE
        return np.ascontiguousarray(
            nodes[: n * FINE, : n * FINE].reshape(n, FINE, n, FINE).transpose(1, 3, 0, 2)
        )

    @cached_property
    def wings_spline(self) -> FloatArray:
        """Coefficients of the wings' cubic spline, axes as `wings`."""
        coefficients: FloatArray = spline_filter(self.wings, order=3, mode="mirror")
        return coefficients

    @cached_property
    def whole(self) -> FloatArray:
        """Core and wings, `COARSE` samples per pixel, over the stamp; axes (y, x)."""
        step = FINE // COARSE
        result = self.wings.copy()
        place = slice(
            (self.half_size - CORE_HALF) * COARSE, (self.half_size + CORE_HALF) * COARSE + 1
        )
        result[place, place] += self.core[::step, ::step]
        return result

    @cached_property
    def _cumulative(self) -> FloatArray:
        """Spline of the light left of and below points at half-pixel steps.

        Sample k of `whole` is the light between (k - 1) / 2 and (k + 1) / 2: sums over every
        other sample are exact integrals.
        """
        total = np.pad(self.whole, ((2, 0), (2, 0)))
        for axis in (0, 1):
            for parity in range(COARSE):
                part = [slice(None), slice(None)]
                part[axis] = slice(parity, None, COARSE)
                total[tuple(part)] = np.cumsum(total[tuple(part)], axis=axis)
        result: FloatArray = spline_filter(total, order=3, mode="mirror")
        return result

    def fraction_within(
        self, left: ArrayLike, right: ArrayLike, bottom: ArrayLike, top: ArrayLike
    ) -> FloatArray:
        """Return the fraction of the energy in rectangles; edges relative to the star [pixel].

        A pixel at offset d from the star reaches from d - 0.5 to d + 0.5.
        """
        last = self._cumulative.shape[0] - 1
        edges = np.broadcast_arrays(*np.atleast_1d(left, right, bottom, top))
        x_left, x_right, y_bottom, y_top = (
            np.clip((edge + self.half_size) * COARSE + 1, 0, last) for edge in edges
        )
        total = np.zeros(x_left.shape)
        for y, y_sign in ((y_top, 1), (y_bottom, -1)):
            for x, x_sign in ((x_right, 1), (x_left, -1)):
                total += (x_sign * y_sign) * map_coordinates(
                    self._cumulative, [y, x], order=3, prefilter=False, mode="mirror"
                )
        return np.reshape(total, np.broadcast(left, right, bottom, top).shape)

    def core_stamp(self, x: float, y: float) -> tuple[FloatArray, int, int]:
        """Return the core of a star at (x, y), and the pixel (y, x) of its corner.

        Shape (ny, nx) as the core and its spare pixels; to be added at that corner.
        """
        spline = self.core_spline
        size = spline.shape[2] - 2
        stamp = np.zeros((size, size))
        x_weights, x_phases, x_first = _spline_weights(x)
        y_weights, y_phases, y_first = _spline_weights(y)
        for y_weight, (y_phase, y_skip) in zip(y_weights, y_phases, strict=True):
            for x_weight, (x_phase, x_skip) in zip(x_weights, x_phases, strict=True):
                stamp += (y_weight * x_weight) * spline[
                    y_phase, x_phase, y_skip : y_skip + size, x_skip : x_skip + size
                ]
        return stamp, y_first, x_first

    def stamp(self, x: float, y: float) -> tuple[FloatArray, int, int]:
        """Return the light of a star at (x, y) per pixel, and the pixel (y, x) of its corner."""
        x_first, y_first = round(x) - self.half_size - 1, round(y) - self.half_size - 1
        offsets = np.arange(2 * self.half_size + 3, dtype=np.float64)
        rows = (offsets + y_first - y + self.half_size) * COARSE
        columns = (offsets + x_first - x + self.half_size) * COARSE
        light: FloatArray = map_coordinates(
            np.pad(self.wings_spline, 4),
            np.meshgrid(rows + 4, columns + 4, indexing="ij"),
            order=3,
            prefilter=False,
            mode="constant",
        )
        core, y_core, x_core = self.core_stamp(x, y)
        y_core, x_core = y_core - y_first, x_core - x_first
        light[y_core : y_core + core.shape[0], x_core : x_core + core.shape[1]] += core
        return light, y_first, x_first

    def encircled_energy(self, radius_pixel: ArrayLike) -> FloatArray:
        """Return the fraction of the energy within circles of these radii [pixel].

        NaN beyond the stamp. It is what an aperture that counts pixels by the area inside it finds in an
        image, on average over the star's place within its pixel.
        """
        radii = np.asarray(radius_pixel, dtype=np.float64)
        limits, sums = self._encircled
        return np.where(radii <= self.half_size, np.interp(radii, limits, sums), np.nan)

    def radius_of(self, fraction: ArrayLike) -> FloatArray:
        """Return the radius [pixel] that holds these fractions of the energy; NaN off the stamp."""
        limits, sums = self._encircled
        wanted = np.asarray(fraction, dtype=np.float64)
        return np.where(wanted <= sums[-1], np.interp(wanted, sums, limits), np.nan)

    @cached_property
    def _encircled(self) -> tuple[FloatArray, FloatArray]:
        """Radii [pixel], and the energy within them."""
        radii = np.concatenate(
            [np.arange(0, 8, 0.05), np.arange(8, 32, 0.25), np.arange(32, self.half_size + 0.5)]
        )
        sums = np.zeros(radii.shape)
        for part, per_pixel in ((self.core, FINE), (self.wings, COARSE)):
            samples = np.pad(part, per_pixel)
            for axis in (0, 1):  # an aperture takes its light from whole pixels: spread it again
                samples = convolve1d(
                    samples, np.array([0.5, *[1.0] * (per_pixel - 1), 0.5]) / per_pixel, axis=axis
                )
            half = samples.shape[0] // 2
            place = (np.arange(samples.shape[0]) - half) / per_pixel
            distance = np.hypot(place[:, None], place[None, :]).ravel()
            order = np.argsort(distance, kind="stable")
            inside = np.concatenate([[0.0], np.cumsum(samples.ravel()[order]) / per_pixel**2])
            area = np.arange(inside.size) / per_pixel**2  # radius by area: smooth at few samples
            sums += np.interp(np.pi * radii**2, area, inside)
        return radii, np.maximum.accumulate(sums)


def point_spread(
    detector: Detector, band: Filter, *, seed: int = 0, wavefront_error_nm: float = 65.0
) -> PointSpread:
    """Compute the point-spread function of a filter at the centre of a detector (cached)."""
    jacobian = ARCSEC * pixel_jacobian(detector, (detector.nx - 1) / 2, (detector.ny - 1) / 2)
    return _point_spread(
        tuple(map(float, jacobian.ravel())),
        band.pivot_micron * 1e-6,
        band.bandwidth_micron * 1e-6,
        seed,
        wavefront_error_nm,
    )


@lru_cache(maxsize=16)
def _point_spread(
    jacobian: tuple[float, ...], pivot_m: float, bandwidth_m: float, seed: int, error_nm: float
) -> PointSpread:
    """Compute a point-spread function from d(V2, V3)/d(x, y) [rad/pixel] and a band [m]."""
    imager = _Imager(np.reshape(jacobian, (2, 2)), pivot_m, bandwidth_m, seed, error_nm)
    core = imager.core()
    half = max(2 * CORE_HALF, int(STAMP_FRINGES * imager.pixels_per_fringe))
    while True:
        whole = imager.wings(half)
        enclosed = float(whole[COARSE // 2 :: COARSE, COARSE // 2 :: COARSE].sum())
        if enclosed >= ENCLOSED or half > imager.repeats_after / 3:
            break
        half = int(1.1 * half)
    axis = np.arange(-half * COARSE, half * COARSE + 1) / COARSE
    whole *= 1 - _taper(np.hypot(axis[:, None], axis[None, :]))
    for samples in (core, whole):
        samples.flags.writeable = False
    return PointSpread(half_size=half, enclosed=enclosed, core=core, wings=whole)


class _Imager:
    """Images of a point through the pupil on any grid of pixels."""

    def __init__(
        self, jacobian: FloatArray, pivot_m: float, bandwidth_m: float, seed: int, error_nm: float
    ) -> None:
        # u = inverse transpose of the Jacobian times p: then u·θ = p·(pixel offset).
        back = np.linalg.inv(jacobian).T
        reach = PUPIL_RADIUS_M * float(np.sqrt(np.abs(np.linalg.det(jacobian)))) * 1.02
        self._axis = (np.arange(PUPIL_CELLS) - (PUPIL_CELLS - 1) / 2) * (2 * reach / PUPIL_CELLS)
        p_x, p_y = np.meshgrid(self._axis, self._axis)
        u2 = back[0, 0] * p_x + back[0, 1] * p_y
        u3 = back[1, 0] * p_x + back[1, 1] * p_y
        self._pupil = draw_pupil(
            u2,
            u3,
            2 * PUPIL_RADIUS_M * 1.02 / PUPIL_CELLS,
            seed=seed,
            wavefront_error_nm=error_nm,
        )
        count = 7 if bandwidth_m > 0.12 * pivot_m else 3
        steps = (np.arange(count) + 0.5) / count - 0.5
        self._wavelengths = pivot_m + bandwidth_m * steps
        self._pivot = pivot_m
        self.pixels_per_fringe = pivot_m / (2 * reach)
        self.repeats_after = float(self._wavelengths.min() / (self._axis[1] - self._axis[0]))

    def light(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the light per square pixel at columns `x` and rows `y`, axes (y, x)."""
        total = np.zeros((y.size, x.size))
        energy = float(np.sum(self._pupil.amplitude**2))
        cell = self._axis[1] - self._axis[0]
        for wavelength in self._wavelengths:
            field = self._pupil.amplitude * np.exp(
                (2j * np.pi / wavelength) * self._pupil.wavefront_m
            )
            rows = np.exp((-2j * np.pi / wavelength) * np.outer(y, self._axis))
            columns = np.exp((-2j * np.pi / wavelength) * np.outer(self._axis, x))
            image = rows @ field @ columns
            total += (image.real**2 + image.imag**2) * ((cell / wavelength) ** 2 / energy)
        return total / len(self._wavelengths)

    def core(self) -> FloatArray:
        """Return the light per pixel about the origin, `FINE` samples per pixel, tapered."""
        half = FINE // 2
        reach = CORE_HALF * FINE
        axis = np.arange(-reach - half, reach + half + 1) / FINE
        light = self.light(axis, axis)
        simpson = np.array([1.0, *([4.0, 2.0] * half)[:-1], 1.0]) / (3 * FINE)
        for _ in range(2):
            light = np.sum(
                [w * light[k : k + 2 * reach + 1] for k, w in enumerate(simpson)], axis=0
            ).T
        axis = axis[half:-half]
        light *= _taper(np.hypot(axis[:, None], axis[None, :]))
        return _symmetric(light)

    def wings(self, half: int) -> FloatArray:
        """Return the light per pixel about the origin, `COARSE` samples per pixel, core and all.

        The image is computed as coarsely as its fringes allow, and then resampled and spread over
        the pixel in Fourier space.
        """
        step, fringe = 1 / COARSE, self.pixels_per_fringe * self._wavelengths.min() / self._pivot
        while 2 * step <= 0.45 * fringe:
            step *= 2
        while step > 0.45 * fringe:
            step /= 2
        reach = int(np.ceil((half + 4) / step) * step)
        axis = np.arange(-reach, reach, step)
        known = np.fft.rfft2(self.light(axis, axis))
        n = 2 * reach * COARSE
        rows = np.rint(np.fft.fftfreq(axis.size, 1 / axis.size)).astype(int)
        finest = max(n, axis.size)
        refined = np.zeros((finest, finest // 2 + 1), dtype=np.complex128)
        refined[rows, : known.shape[1]] = known * (finest / axis.size) ** 2
        refined *= np.sinc(np.fft.fftfreq(finest, n / finest / COARSE))[:, None]
        refined *= np.sinc(np.fft.rfftfreq(finest, n / finest / COARSE))[None, :]
        light = np.fft.irfft2(refined, s=(finest, finest))[:: finest // n, :: finest // n]
        first = (reach - half) * COARSE
        keep = slice(first, first + 2 * half * COARSE + 1)
        return _symmetric(light[keep, keep])


def _symmetric(light: FloatArray) -> FloatArray:
    """Return the mean of an image and its half turn."""
    return (light + light[::-1, ::-1]) / 2


def _taper(distance: FloatArray) -> FloatArray:
    """Return 1 in the core, 0 in the wings and a cosine between."""
    phase = np.clip((distance - CORE_PIXEL) / TAPER_PIXEL, 0, 1)
    result: FloatArray = 0.5 + 0.5 * np.cos(np.pi * phase)
    return result


def _spline_weights(place: float) -> tuple[FloatArray, list[tuple[int, int]], int]:
    """Return a cubic spline's four weights, (phase, skip) of each node, and the first pixel."""
    node = np.floor(-place * FINE)  # node below the sample of pixel 0
    t = -place * FINE - node
    weights = cubic_weights(float(t))
    # The core's first node stands CORE_HALF + 2 pixels left of the star. Pixel `first` is the first whose
    # four nodes all exist.
    start = int(node) - 1 + (CORE_HALF + 2) * FINE
    first = -(start // FINE)
    nodes = start % FINE + np.arange(4)
    return weights, [(int(k) % FINE, int(k) // FINE) for k in nodes], first


def cubic_weights(t: float | FloatArray) -> FloatArray:
    """Return the cubic B-spline's weights of the nodes -1, 0, 1, 2 for a place t in [0, 1)."""
    t = np.asarray(t, dtype=np.float64)
    s = 1 - t
    return np.stack([s**3, 4 - 6 * t**2 + 3 * t**3, 4 - 6 * s**2 + 3 * s**3, t**3]) / 6
