"""The telescope's point-spread function from its segmented pupil."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calcore.simulate.tables import Detector, Filter

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class PointSpread:
    """How a star's light falls on pixels, pixel response included.

    Normalised to the energy through the pupil, so that what falls off the stamp is known.

    Attributes
    ----------
    enclosed
        Fraction of the energy within the stamp, at least 0.995.
    half_size
        Half the width of the stamp [pixel].
    """

    enclosed: float
    half_size: int

    def stamp(self, x: float, y: float) -> tuple[FloatArray, int, int]:
        """Return the light of a star at (x, y) per pixel, and the pixel (y, x) of its corner."""
        raise NotImplementedError

    def encircled_energy(self, radius_pixel: ArrayLike) -> FloatArray:
        """Return the fraction of the energy within circles of these radii [pixel]."""
        raise NotImplementedError

    def radius_of(self, fraction: ArrayLike) -> FloatArray:
        """Return the radius [pixel] that holds these fractions of the energy."""
        raise NotImplementedError


def point_spread(
    detector: Detector, filter: Filter, *, seed: int = 0, wavefront_error_nm: float = 65.0
) -> PointSpread:
    """Compute the point-spread function of a filter at the centre of a detector (cached)."""
    raise NotImplementedError
