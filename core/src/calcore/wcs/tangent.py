"""The plane that touches the sky at a point."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.wcs.pointing import ARCSEC_PER_DEGREE

Angles = NDArray[np.float64]


@dataclass(frozen=True)
class TangentPlane:
    """The gnomonic projection about a point (Calabretta & Greisen 2002, A&A 395, 1077, section 5.1.3).

    Attributes
    ----------
    ra_deg, dec_deg : float
        Where it touches the sky [deg].
    angle_deg : float
        Position angle of its y axis, from north to east [deg].
    """

    ra_deg: float
    dec_deg: float
    angle_deg: float = 0.0

    def project(self, ra: Angles, dec: Angles) -> tuple[Angles, Angles]:
        """Return x and y [arcsec] of positions [deg]; x runs east where the angle is 0."""
        beside = np.radians(ra - self.ra_deg)
        north, middle = np.radians(dec), np.radians(self.dec_deg)
        depth = np.sin(middle) * np.sin(north) + np.cos(middle) * np.cos(north) * np.cos(beside)
        east = np.degrees(np.cos(north) * np.sin(beside) / depth) * ARCSEC_PER_DEGREE
        up = np.cos(middle) * np.sin(north) - np.sin(middle) * np.cos(north) * np.cos(beside)
        up = np.degrees(up / depth) * ARCSEC_PER_DEGREE
        sine, cosine = np.sin(np.radians(self.angle_deg)), np.cos(np.radians(self.angle_deg))
        return east * cosine - up * sine, east * sine + up * cosine

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return right ascension and declination [deg] of a point of the plane [arcsec]."""
        sine, cosine = np.sin(np.radians(self.angle_deg)), np.cos(np.radians(self.angle_deg))
        east, up = (
            np.radians(one / ARCSEC_PER_DEGREE)
            for one in (x * cosine + y * sine, y * cosine - x * sine)
        )
        middle = np.radians(self.dec_deg)
        depth = np.cos(middle) - up * np.sin(middle)
        ra = self.ra_deg + np.degrees(np.arctan2(east, depth))
        dec = np.arctan2(np.sin(middle) + up * np.cos(middle), np.hypot(east, depth))
        return float(ra % 360), float(np.degrees(dec))
