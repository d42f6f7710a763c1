"""How finely cubes sample, and how near pixels count in them."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter
from calcore.wcs.cube_planes import enclosing

Each = float | NDArray[np.float64]
"""A number for all planes, or one for each of a table's wavelengths."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Sampling:
    """How finely a cube samples, and how near pixels count in it, unless parameters say otherwise.

    Attributes
    ----------
    spaxel_arcsec, step_um : float
        Size of a spaxel [arcsec] and of a plane [um].
    wavelengths_um : tuple of float
        Where it begins and ends [um].
    table : float64 (n,), optional
        Where planes may lie [um], if they are not evenly spaced.
    angle_arcsec, depth_um : float or float64 (n,)
        How far pixels count, for weights by distance.
    scale : float or float64 (n,)
        Radius [arcsec] of the exponential form, or power.
    softening : float or float64 (n,)
        See `Nearness`.
    """

    spaxel_arcsec: float
    step_um: float
    wavelengths_um: tuple[float, float]
    table: NDArray[np.float64] | None = None
    angle_arcsec: Each = 0.0
    depth_um: Each = 0.0
    scale: Each = 0.0
    softening: Each = 0.0

    def within(self, shortest: float | None, longest: float | None) -> "Sampling":
        """Return the sampling of a range of wavelengths [um]; None changes nothing.

        Raises
        ------
        BadParameter
            Nothing is left.
        """
        if not self.reaches(shortest, longest):
            low, high = self.wavelengths_um
            raise BadParameter(
                f"cube_build.wavemin is {shortest} and wavemax {longest} um, but a cube would be of "
                f"{low:.4g} to {high:.4g} um; choose among these, or other channels and bands"
            )
        ends = (
            self.wavelengths_um[0] if shortest is None else shortest,
            self.wavelengths_um[1] if longest is None else longest,
        )
        if self.table is None:
            return replace(self, wavelengths_um=ends)
        chosen = enclosing(ends, self.table)
        arrays: dict[str, Any] = {
            item.name: value[chosen]
            for item in fields(self)
            if isinstance(value := getattr(self, item.name), np.ndarray)
        }
        return replace(self, wavelengths_um=ends, **arrays)

    def reaches(self, shortest: float | None, longest: float | None) -> bool:
        """Tell whether some of its wavelengths are in a range [um]; None is no end."""
        first, last = self.wavelengths_um
        return (shortest is None or shortest < last) and (longest is None or longest > first)
