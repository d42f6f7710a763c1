"""The image of a star as spectrometers see it: a core and a halo, both Gaussian, wider to the red.

Simple enough that what any rectangle or circle holds of it is known exactly.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf

from calcore.simulate.spectra import FWHM

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CoreHalo:
    """A point-spread function that grows with the wavelength.

    Attributes
    ----------
    fwhm_arcsec
        Full width of the core at half maximum: a constant, and its growth by micron [arcsec].
    halo
        Part of the light that is in the halo.
    halo_width
        The halo's width over the core's.
    """

    fwhm_arcsec: tuple[float, float]
    halo: float
    halo_width: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "CoreHalo":
        """Return the function that a table describes by the names of the attributes."""
        return cls(
            fwhm_arcsec=tuple(row["fwhm_arcsec"]), halo=row["halo"], halo_width=row["halo_width"]
        )

    @property
    def notes(self) -> dict[str, Any]:
        """The attributes as truth files have them."""
        return asdict(self) | {"fwhm_arcsec": list(self.fwhm_arcsec)}

    def width(self, wavelength_um: ArrayLike) -> FloatArray:
        """Return the full width at half maximum of the core [arcsec]."""
        constant, growth = self.fwhm_arcsec
        return np.asarray(constant + growth * np.asarray(wavelength_um, np.float64))

    def parts(self, wavelength_um: ArrayLike) -> tuple[tuple[float, FloatArray], ...]:
        """Return the parts, each with its share of the light and its deviation [arcsec]."""
        core = self.width(wavelength_um) / FWHM
        return (1 - self.halo, core), (self.halo, core * self.halo_width)

    def within(
        self,
        wavelength_um: ArrayLike,
        left: ArrayLike,
        right: ArrayLike,
        bottom: ArrayLike,
        top: ArrayLike,
    ) -> FloatArray:
        """Return the part of a star's light in rectangles; edges relative to the star [arcsec]."""
        total = np.zeros(np.broadcast(wavelength_um, left, right, bottom, top).shape)
        for share, deviation in self.parts(wavelength_um):
            total += share * between(left, right, deviation) * between(bottom, top, deviation)
        return total

    def within_circle(
        self, wavelength_um: float, radius_arcsec: ArrayLike, pixel: tuple[float, ...] = ()
    ) -> FloatArray:
        """Return the part of a star's light within circles about it.

        Parameters
        ----------
        wavelength_um
            One wavelength [um].
        radius_arcsec : array (radius,)
            Radii [arcsec].
        pixel
            Widths of boxes, in two directions in turn, over which samples average [arcsec].
        """
        radius = np.atleast_1d(np.asarray(radius_arcsec, np.float64))
        reach = float(radius.max())
        step = min(reach / 100, float(radius.min()) / 15)
        points = np.arange(step / 2, reach, step)
        profiles = [
            [_averaged(points, float(deviation), pixel[axis::2]) for axis in (0, 1)]
            for _, deviation in self.parts(wavelength_um)
        ]
        shares = [share for share, _ in self.parts(wavelength_um)]
        image = sum(
            share * np.outer(*profile) for share, profile in zip(shares, profiles, strict=True)
        )
        distance = np.hypot(points[:, None], points[None, :])
        # A cell on the circle's edge counts by how far it reaches in.
        weights = np.clip((radius[:, None, None] - distance) / step + 0.5, 0, 1)
        return np.asarray(4 * step**2 * np.einsum("rij,ij->r", weights, image))


def between(low: ArrayLike, high: ArrayLike, deviation: ArrayLike) -> FloatArray:
    """Return the part of a Gaussian between two places."""
    scale = np.sqrt(2) * np.asarray(deviation)
    return np.asarray((erf(np.asarray(high) / scale) - erf(np.asarray(low) / scale)) / 2)


def _averaged(points: FloatArray, deviation: float, boxes: tuple[float, ...]) -> FloatArray:
    """Return a Gaussian's density at places, averaged over boxes one after another [1/arcsec].

    All boxes but the widest, which matters most, count by their second moments.
    """
    if not boxes:
        profile = np.exp(-0.5 * (points / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
        return np.asarray(profile)
    widest = max(boxes)
    others = sum(box**2 for box in boxes) - widest**2
    wider = np.sqrt(deviation**2 + others / 12)
    return between(points - widest / 2, points + widest / 2, wider) / widest
