"""The geometry of an image slicer: where each pixel looks, and at which wavelength.

Slices lie side by side on the detector and are dispersed along its rows' normal. Each has
polynomials from (y, x) to the angle along it and to the wavelength; the angle across is the same all
over a slice. A field is what a set of slices shows of the sky.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy.modeling import Model
from numpy.typing import NDArray
from scipy.special import erfc

FloatArray = NDArray[np.float64]

PLANES = 9
"""Label images: of pixels with more than 0.1, 0.2 … 0.9 of a slice's throughput."""
SOFT_ARCSEC = 0.06
"""Deviation with which the ends of slices fade [arcsec]."""
_MARGIN_ARCSEC = 0.4
_STEPS = 200


@dataclass(frozen=True, eq=False, kw_only=True)
class SlicedField:
    """What a set of slices shows of the sky.

    Attributes
    ----------
    number, name
        What the field is called: a channel, and channel and band.
    wavelengths
        Limits that tell it from other fields of the exposure [um].
    beta_zero, beta_step
        Angle across slices of the first one, and from one to the next [arcsec].
    half_length
        Half the length of slices [arcsec].
    to_telescope
        From angles along and across slices [arcsec] to V2 and V3 [arcsec]; has an inverse.
    """

    number: int
    name: str
    wavelengths: tuple[float, float]
    beta_zero: float
    beta_step: float
    half_length: float
    to_telescope: Model

    @cached_property
    def matrix(self) -> FloatArray:
        """Derivatives of (V2, V3) by the angles along and across slices, axes (V, angle)."""
        step = np.array([0.0, 1.0, -1.0, 0.0, 0.0])
        v2, v3 = (np.asarray(v) for v in self.to_telescope(step, step[[0, 3, 4, 1, 2]]))
        return np.array([[v[1] - v[2], v[3] - v[4]] for v in (v2, v3)]) / 2

    @property
    def scales(self) -> FloatArray:
        """Angles in the telescope's frame over those along and across slices."""
        return np.asarray(np.hypot(*self.matrix))

    @property
    def area(self) -> float:
        """Area in the telescope's frame over that along and across slices."""
        return float(abs(np.linalg.det(self.matrix)))

    def transmission(self, alpha_arcsec: FloatArray) -> FloatArray:
        """Return which part of the light passes at angles along a slice."""
        beyond = (np.abs(alpha_arcsec) - self.half_length) / (np.sqrt(2) * SOFT_ARCSEC)
        return np.asarray(erfc(beyond) / 2)


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice:
    """One slice on the detector.

    Attributes
    ----------
    number
        What label images call it: a hundred times its field's, and its place from 1 on.
    field
        Place of its field among the slicer's.
    beta
        Its angle across slices [arcsec].
    alpha, wavelength
        From y and x [pixel] to the angle along it [arcsec] and the wavelength [um].
    x, y
        From wavelength and angle along it to the pixel, to 0.1 pixel or better.
    """

    number: int
    field: int
    beta: float
    alpha: Model
    wavelength: Model
    x: Model
    y: Model


@dataclass(frozen=True, eq=False, kw_only=True)
class SlicedPlanes:
    """Where all pixels look; axes (y, x), NaN where there is no slice.

    Attributes
    ----------
    order
        Place of each pixel's slice among the slicer's; -1 between slices.
    field
        Place of its field; -1 between slices.
    alpha
        Angle along the slice at the left and the right edge of pixels, sorted [arcsec], (2, y, x).
    beta
        Angle across slices [arcsec].
    wavelength
        At the lower and the upper edge of pixels, sorted [um], (2, y, x).
    transmission
        Part of the light that the ends of slices let pass.
    """

    order: NDArray[np.int16]
    field: NDArray[np.int16]
    alpha: FloatArray
    beta: FloatArray
    wavelength: FloatArray
    transmission: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageSlicer:
    """An image slicer in front of a detector of `shape` (ny, nx)."""

    shape: tuple[int, int]
    fields: Sequence[SlicedField]
    slices: Sequence[Slice]

    @cached_property
    def labels(self) -> NDArray[np.int16]:
        """Numbers of the slices that pixels belong to, 0 between them, (plane, y, x).

        Pixels belong to a slice that pass more of its light than 0.1, 0.2 … 0.9, plane by plane.
        """
        labels = np.zeros((PLANES, *self.shape), np.int16)
        for part in self.slices:
            window = self._window(part)
            rows, columns = np.mgrid[window]
            passed = self.fields[part.field].transmission(part.alpha(rows + 0.0, columns + 0.0))
            passed[~self._inside(part, columns)] = 0
            for plane in range(PLANES):
                labels[plane][window][passed > (plane + 1) / (PLANES + 1)] = part.number
        return labels

    @cached_property
    def planes(self) -> SlicedPlanes:
        """Where all pixels look that get any light."""
        order = np.full(self.shape, -1, np.int16)
        field = np.full(self.shape, -1, np.int16)
        alpha, wavelength = (np.full((2, *self.shape), np.nan) for _ in range(2))
        beta, transmission = np.full(self.shape, np.nan), np.zeros(self.shape)
        for place, part in enumerate(self.slices):
            y, x = np.nonzero(self.labels[0] == part.number)
            order[y, x], field[y, x], beta[y, x] = place, part.field, part.beta
            alpha[:, y, x] = np.sort(
                [part.alpha(y + 0.0, x + step) for step in (-0.5, 0.5)], axis=0
            )
            wavelength[:, y, x] = np.sort(
                [part.wavelength(y + step, x + 0.0) for step in (-0.5, 0.5)], axis=0
            )
            transmission[y, x] = self.fields[part.field].transmission(part.alpha(y + 0.0, x + 0.0))
        return SlicedPlanes(
            order=order, field=field, alpha=alpha, beta=beta, wavelength=wavelength,
            transmission=transmission,
        )  # fmt: skip

    def _edges(self, part: Slice) -> FloatArray:
        """Return the columns of a slice's ends, with a margin, for each row, (2, y)."""
        field = self.fields[part.field]
        wavelengths = np.linspace(*field.wavelengths, _STEPS)
        edges = []
        for end in (-1, 1):
            alpha = np.full(_STEPS, end * (field.half_length + _MARGIN_ARCSEC))
            lines = np.asarray(part.y(wavelengths, alpha))
            columns = np.asarray(part.x(wavelengths, alpha))
            order = np.argsort(lines)
            edges.append(np.interp(np.arange(self.shape[0]), lines[order], columns[order]))
        return np.sort(edges, axis=0)

    def _window(self, part: Slice) -> tuple[slice, slice]:
        left, right = self._edges(part)
        first = max(0, int(np.floor(left.min())))
        return slice(0, self.shape[0]), slice(first, min(self.shape[1], int(right.max()) + 2))

    def _inside(self, part: Slice, columns: NDArray[np.integer]) -> NDArray[np.bool_]:
        left, right = self._edges(part)
        inside: NDArray[np.bool_] = (columns >= left[:, None]) & (columns <= right[:, None])
        return inside
