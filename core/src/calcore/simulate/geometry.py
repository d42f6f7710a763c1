"""From pixels to the sky and back, for one detector and sub-array.

Frames: pixel (x, y) counted from 0 in the sub-array -> pixel of the full frame -> Ideal angles of
the detector -> V2, V3 -> sky (Cox & Lallo 2017, JWST-STScI-001550). The full frame's polynomial
serves all sub-arrays.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy.modeling import Model
from astropy.modeling.models import Mapping, Polynomial2D, Shift
from numpy.polynomial.polynomial import polyder, polyval2d, polyvander, polyvander2d
from numpy.typing import ArrayLike, NDArray

from calcore.simulate.pointing import Pointing
from calcore.simulate.tables import Detector, Filter, Subarray

FloatArray = NDArray[np.float64]

_NEWTON_STEPS = 12
_CONVERGED_PIXEL = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Geometry:
    """What each pixel of an exposure sees.

    `pointing` may be described at any reference point: it is seen from the sub-array's own
    (`exposure_pointing`), whose keywords go into the header and about which the velocity
    aberration scales.
    """

    detector: Detector
    subarray: Subarray
    pointing: Pointing
    filter: Filter

    @cached_property
    def exposure_pointing(self) -> Pointing:
        """The attitude at the sub-array's reference point; what the header says."""
        v2, v3 = self.subarray.v2_ref_arcsec, self.subarray.v3_ref_arcsec
        if (v2, v3) == (self.pointing.v2_ref_arcsec, self.pointing.v3_ref_arcsec):
            return self.pointing
        return self.pointing.seen_from(v2, v3)

    def to_v2v3(self, x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return V2, V3 [arcsec] of pixels of the sub-array, counted from 0."""
        dx, dy = self._corner
        return pixel_to_v2v3(
            self.detector,
            np.asarray(x, dtype=np.float64) + dx,
            np.asarray(y, dtype=np.float64) + dy,
        )

    def from_v2v3(
        self, v2_arcsec: ArrayLike, v3_arcsec: ArrayLike
    ) -> tuple[FloatArray, FloatArray]:
        """Return the pixels of V2, V3 [arcsec]; NaN more than half a frame off the detector."""
        dx, dy = self._corner
        x, y = v2v3_to_pixel(self.detector, v2_arcsec, v3_arcsec)
        return x - dx, y - dy

    def to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return RA, Dec [deg] of pixels of the sub-array."""
        return self.exposure_pointing.to_sky(*self.to_v2v3(x, y))

    def from_sky(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return the pixels (x, y) of sky positions [deg]; NaN as `from_v2v3`."""
        return self.from_v2v3(*self.exposure_pointing.from_sky(ra_deg, dec_deg))

    def area_map(self) -> FloatArray:
        """Return the solid angle of the sub-array's pixels over the nominal one, (ny, nx)."""
        return pixel_area_map(self.detector)[self.subarray.window]

    @property
    def _corner(self) -> tuple[float, float]:
        """What to add to the sub-array's pixels before the distortion [pixel]."""
        return (
            self.subarray.xstart - 1 + self.filter.column_offset,
            self.subarray.ystart - 1 + self.filter.row_offset,
        )


def pixel_to_v2v3(detector: Detector, x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return V2, V3 [arcsec] of pixels of the full frame, counted from 0."""
    dx = np.asarray(x, dtype=np.float64) - detector.full.x_ref
    dy = np.asarray(y, dtype=np.float64) - detector.full.y_ref
    to_v2, to_v3 = _v2v3_polynomials(detector)
    return np.asarray(polyval2d(dx, dy, to_v2)), np.asarray(polyval2d(dx, dy, to_v3))


def v2v3_to_pixel(
    detector: Detector, v2_arcsec: ArrayLike, v3_arcsec: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return the pixels of the full frame, counted from 0, of V2, V3 [arcsec].

    The aperture file's polynomial for the way back is good to 0.1 pixel; Newton's method on the
    way there does the rest, to 1e-9 pixel. NaN more than half a frame off the detector, where
    polynomials mean nothing.
    """
    v2, v3 = np.broadcast_arrays(
        np.asarray(v2_arcsec, dtype=np.float64), np.asarray(v3_arcsec, dtype=np.float64)
    )
    full = detector.full
    to_ideal = np.linalg.inv(_ideal_to_v2v3(detector))
    ideal = np.tensordot(
        to_ideal, np.stack([v2 - full.v2_ref_arcsec, v3 - full.v3_ref_arcsec]), axes=1
    )
    dx = np.asarray(polyval2d(ideal[0], ideal[1], detector.idl_to_sci_x))
    dy = np.asarray(polyval2d(ideal[0], ideal[1], detector.idl_to_sci_y))
    x, y = dx + full.x_ref, dy + full.y_ref
    with np.errstate(invalid="ignore"):
        near = (np.abs(x - detector.nx / 2) < detector.nx) & (
            np.abs(y - detector.ny / 2) < detector.ny
        )
    dx, dy = np.where(near, dx, np.nan), np.where(near, dy, np.nan)
    step = np.full(dx.shape, np.inf)
    with np.errstate(invalid="ignore"):
        for _ in range(_NEWTON_STEPS):
            error_x = polyval2d(dx, dy, detector.sci_to_idl_x) - ideal[0]
            error_y = polyval2d(dx, dy, detector.sci_to_idl_y) - ideal[1]
            xx, xy, yx, yy = _jacobian(detector, dx, dy)
            determinant = xx * yy - xy * yx
            step_x = (yy * error_x - xy * error_y) / determinant
            step_y = (xx * error_y - yx * error_x) / determinant
            dx, dy = dx - step_x, dy - step_y
            step = np.hypot(step_x, step_y)
            if not np.any(step > _CONVERGED_PIXEL):
                break
        found = step <= _CONVERGED_PIXEL
    return np.where(found, dx + full.x_ref, np.nan), np.where(found, dy + full.y_ref, np.nan)


def pixel_jacobian(detector: Detector, x: float, y: float) -> FloatArray:
    """Return d(V2, V3)/d(x, y) [arcsec/pixel] at a pixel of the full frame, axes (V, pixel)."""
    dx, dy = np.asarray(x - detector.full.x_ref), np.asarray(y - detector.full.y_ref)
    return _ideal_to_v2v3(detector) @ np.reshape(_jacobian(detector, dx, dy), (2, 2))


def pixel_area_map(detector: Detector) -> FloatArray:
    """Return the solid angle of all pixels over the nominal one, (ny, nx) of the full frame.

    This is the content of the AREA reference file; its PIXAR_SR is `detector.pixel_area_sr`.
    """
    terms = _derivatives(detector)
    rows = polyvander(np.arange(detector.ny) - detector.full.y_ref, terms[0].shape[1])
    columns = polyvander(np.arange(detector.nx) - detector.full.x_ref, terms[0].shape[1])
    xx, xy, yx, yy = (
        rows[:, : part.shape[1]] @ part.T @ columns[:, : part.shape[0]].T for part in terms
    )
    nominal = pixel_jacobian(detector, detector.full.x_ref, detector.full.y_ref)
    area: FloatArray = np.abs(xx * yy - xy * yx) / abs(float(np.linalg.det(nominal)))
    return area


def distortion_model(detector: Detector, *, degree: int = 9) -> Model:
    """Return the distortion as an astropy model for a reference file.

    Maps pixels (x, y) of the full frame, counted from 0, to V2, V3 [arcsec]. Its `inverse` is
    attached: polynomials of `degree`, fitted to the way there over the frame and a margin of
    16 pixels. `inverse_residual` measures what is left: at most 4e-6 pixel rms for degree 9
    on all detectors. Neither bounding box nor filter offset is part of it.
    """
    full = detector.full
    to_v2, to_v3 = _v2v3_polynomials(detector)
    there = (
        Shift(-full.x_ref) & Shift(-full.y_ref)
        | Mapping((0, 1, 0, 1))
        | _polynomial(to_v2) & _polynomial(to_v3)
    )
    nodes = np.cos(np.pi * (np.arange(6 * degree) + 0.5) / (6 * degree))  # Chebyshev: even error
    x, y = (
        grid.ravel()
        for grid in np.meshgrid(
            (nodes + 1) / 2 * (detector.nx + 32) - 16.5, (nodes + 1) / 2 * (detector.ny + 32) - 16.5
        )
    )
    v2, v3 = pixel_to_v2v3(detector, x, y)
    v2, v3 = v2 - full.v2_ref_arcsec, v3 - full.v3_ref_arcsec
    size = float(max(np.abs(v2).max(), np.abs(v3).max()))  # the fit is scaled to stay solvable
    powers = np.add.outer(np.arange(degree + 1), np.arange(degree + 1))
    used = powers <= degree
    basis = polyvander2d(v2 / size, v3 / size, (degree, degree))[:, used.ravel()]
    back = []
    for pixel in (x, y):
        matrix = np.zeros(powers.shape)
        matrix[used] = np.linalg.lstsq(basis, pixel, rcond=None)[0]
        back.append(_polynomial(matrix / size**powers))
    there.inverse = (
        Shift(-full.v2_ref_arcsec) & Shift(-full.v3_ref_arcsec)
        | Mapping((0, 1, 0, 1))
        | back[0] & back[1]
    )
    return there


def inverse_residual(model: Model, shape: tuple[int, int]) -> tuple[float, float]:
    """Return the rms and the largest distance [pixel] of there and back over a frame (ny, nx)."""
    ny, nx = shape
    x, y = np.meshgrid(np.linspace(0, nx - 1, 65), np.linspace(0, ny - 1, 65))
    x_back, y_back = model.inverse(*model(x, y))
    distance = np.hypot(x_back - x, y_back - y)
    return float(np.sqrt(np.mean(distance**2))), float(distance.max())


def _ideal_to_v2v3(detector: Detector) -> FloatArray:
    """Return the rotation and parity from Ideal angles to V2, V3 about the reference point."""
    angle = np.radians(detector.full.v3_idl_y_angle_deg)
    parity = detector.full.v_idl_parity
    return np.array(
        [[parity * np.cos(angle), np.sin(angle)], [-parity * np.sin(angle), np.cos(angle)]]
    )


def _v2v3_polynomials(detector: Detector) -> FloatArray:
    """Return the polynomials of pixel offsets to V2, V3; axes (V, power of x, power of y)."""
    ideal = np.stack([detector.sci_to_idl_x, detector.sci_to_idl_y])
    result: FloatArray = np.tensordot(_ideal_to_v2v3(detector), ideal, axes=1)
    result[:, 0, 0] += detector.full.v2_ref_arcsec, detector.full.v3_ref_arcsec
    return result


def _derivatives(detector: Detector) -> list[FloatArray]:
    """Return the polynomials dX/dx, dX/dy, dY/dx and dY/dy of the Ideal angles X, Y."""
    return [
        np.asarray(polyder(terms, axis=axis), dtype=np.float64)
        for terms in (detector.sci_to_idl_x, detector.sci_to_idl_y)
        for axis in (0, 1)
    ]


def _jacobian(detector: Detector, dx: FloatArray, dy: FloatArray) -> FloatArray:
    """Return dX/dx, dX/dy, dY/dx and dY/dy at pixel offsets, axes (derivative, …)."""
    return np.stack([polyval2d(dx, dy, terms) for terms in _derivatives(detector)])


def _polynomial(matrix: FloatArray) -> Model:
    """Return a polynomial of two variables from its matrix of powers."""
    degree = matrix.shape[0] - 1
    terms = {
        f"c{i}_{j}": float(matrix[i, j])
        for i in range(degree + 1)
        for j in range(degree + 1)
        if i + j <= degree
    }
    return Polynomial2D(degree, **terms)
