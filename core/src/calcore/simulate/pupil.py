"""The telescope's entrance pupil: segments, obscuration and wavefront error.

Eighteen hexagonal segments of 1.32 m between flats, 7 mm apart, in two rings about an empty place
where the secondary mirror's shadow falls, and three struts (Lightsey et al. 2012, Optical
Engineering 51, 011003; Perrin et al. 2014, Proc. SPIE 9143, 91433X). The pupil is drawn with soft
edges one cell wide, so that cells are covered in proportion.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SEGMENT_FLATS_M = 1.32
GAP_M = 0.007
STRUT_WIDTHS_M = (0.13, 0.11, 0.11)
STRUT_ANGLES_DEG = (90.0, 240.0, 300.0)
PUPIL_RADIUS_M = 3.45
"""No light passes beyond this distance from the centre."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pupil:
    """Amplitude and wavefront on points of the pupil.

    Attributes
    ----------
    amplitude
        Transmitted amplitude, from 0 to 1, axes as the points given.
    wavefront_m
        Optical path difference [m], 0 where there is no light.
    """

    amplitude: FloatArray
    wavefront_m: FloatArray


def segment_centres() -> FloatArray:
    """Return the segments' centres (V2, V3) [m], axes (segment, coordinate).

    Segments have a flat side up and stand in five columns of 3, 4, 4, 4 and 3.
    """
    pitch = SEGMENT_FLATS_M + GAP_M
    places = [
        (column * pitch * np.sqrt(3) / 2, pitch * (row - (4 - abs(column)) / 2))
        for column in range(-2, 3)
        for row in range(5 - abs(column))
    ]
    return np.array([place for place in places if np.hypot(*place) > pitch / 2])


def draw_pupil(
    u2_m: FloatArray, u3_m: FloatArray, cell_m: float, *, seed: int, wavefront_error_nm: float
) -> Pupil:
    """Draw the pupil on points (u2, u3) [m] with edges `cell_m` wide.

    Each segment's error is drawn from `seed`: piston, tilts, focus, astigmatism, coma and trefoil of
    its own, the total scaled to `wavefront_error_nm` rms over the pupil after piston and tilt
    of the whole have been taken out.
    """
    rng = np.random.default_rng(seed)
    centres = segment_centres()
    coefficients = rng.standard_normal((len(centres), len(_SHAPE_WEIGHTS))) * _SHAPE_WEIGHTS
    amplitude = np.zeros(u2_m.shape)
    wavefront = np.zeros(u2_m.shape)
    for (c2, c3), weights in zip(centres, coefficients, strict=True):
        x, y = u2_m - c2, u3_m - c3
        near = np.hypot(x, y) < SEGMENT_FLATS_M / np.sqrt(3) + cell_m
        x, y = x[near], y[near]
        covered = _edge(_inside_hexagon(x, y), cell_m)
        most = covered > amplitude[near]
        wavefront[near] = np.where(most, weights @ _shapes(x, y), wavefront[near])
        amplitude[near] += covered
    for width, angle in zip(STRUT_WIDTHS_M, np.radians(STRUT_ANGLES_DEG), strict=True):
        along = u2_m * np.cos(angle) + u3_m * np.sin(angle)
        across = u3_m * np.cos(angle) - u2_m * np.sin(angle)
        shadow = _edge(width / 2 - np.abs(across), cell_m) * (along > 0)
        amplitude *= 1 - shadow
    wavefront[amplitude <= 0] = 0
    wavefront = _without_tilt(wavefront, amplitude, u2_m, u3_m)
    rms = np.sqrt(np.sum(amplitude * wavefront**2) / np.sum(amplitude))
    return Pupil(amplitude=amplitude, wavefront_m=wavefront * (wavefront_error_nm * 1e-9 / rms))


_SHAPE_WEIGHTS = np.array([1.0, 0.8, 0.8, 1.0, 0.7, 0.7, 0.4, 0.4, 0.3, 0.3])


def _inside_hexagon(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the distance [m] from the nearest side of a hexagon with a flat side up."""
    slanted = np.abs(x) * (np.sqrt(3) / 2) + np.abs(y) / 2
    distance: FloatArray = SEGMENT_FLATS_M / 2 - np.maximum(np.abs(y), slanted)
    return distance


def _edge(distance: FloatArray, cell_m: float) -> FloatArray:
    """Return how much of a cell lies inside an edge at `distance` from its centre."""
    return np.clip(0.5 + distance / cell_m, 0.0, 1.0)


def _shapes(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return Zernike polynomials on a segment, axes (shape, point); normalised to about 1 rms."""
    x, y = x * (np.sqrt(3) / SEGMENT_FLATS_M), y * (np.sqrt(3) / SEGMENT_FLATS_M)
    r2 = x * x + y * y
    return np.stack(
        [
            np.ones_like(x),
            2 * x,
            2 * y,
            np.sqrt(3) * (2 * r2 - 1),
            np.sqrt(6) * (x * x - y * y),
            2 * np.sqrt(6) * x * y,
            np.sqrt(8) * (3 * r2 - 2) * x,
            np.sqrt(8) * (3 * r2 - 2) * y,
            np.sqrt(8) * (x**3 - 3 * x * y * y),
            np.sqrt(8) * (3 * x * x * y - y**3),
        ]
    )


def _without_tilt(
    wavefront: FloatArray, amplitude: FloatArray, u2: FloatArray, u3: FloatArray
) -> FloatArray:
    """Take out piston and tilt of the whole pupil, weighted with the light."""
    lit = amplitude > 0
    basis = np.stack([np.ones(int(lit.sum())), u2[lit], u3[lit]], axis=1)
    weight = amplitude[lit][:, None]
    normal = basis.T @ (weight * basis)
    terms = np.linalg.solve(normal, basis.T @ (amplitude[lit] * wavefront[lit]))
    result = np.zeros_like(wavefront)
    result[lit] = wavefront[lit] - basis @ terms
    return result
