"""Where the telescope looks: sky positions from the telescope's frame and back.

The telescope's frame has the axes V1 (line of sight), V2 and V3; positions near the line of sight
are two angles (V2, V3) [arcsec], a longitude and a latitude. The attitude is a rotation given by
the sky position and the position angle of V3 at one reference point (Cox & Lallo 2017,
JWST-STScI-001550, section 5).

Velocity aberration shrinks or stretches the field. It is a scale of V2 and V3 about the reference
point, before the rotation: the way in which exposures' headers (VA_SCALE) mean it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

ARCSEC = np.pi / 648000.0
"""One arcsecond [rad]."""


@dataclass(frozen=True, kw_only=True)
class Pointing:
    """The attitude of the telescope, as seen from one reference point.

    Attributes
    ----------
    ra_ref_deg, dec_ref_deg
        Sky position of the reference point, ICRS [deg].
    roll_ref_deg
        Position angle of V3 at the reference point, east of north [deg].
    v2_ref_arcsec, v3_ref_arcsec
        The reference point in the telescope's frame [arcsec].
    va_scale
        True angles over seen angles, about the reference point.
    """

    ra_ref_deg: float
    dec_ref_deg: float
    roll_ref_deg: float
    v2_ref_arcsec: float
    v3_ref_arcsec: float
    va_scale: float = 1.0

    def to_sky(self, v2_arcsec: ArrayLike, v3_arcsec: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return RA in [0, 360) and Dec [deg] of points of the telescope's frame [arcsec]."""
        vector = np.tensordot(self._attitude(), _unit(*self._true(v2_arcsec, v3_arcsec)), axes=1)
        longitude, latitude = _angles(vector)
        return np.degrees(longitude) % 360.0, np.degrees(latitude)

    def from_sky(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return V2 and V3 [arcsec] of sky positions [deg]; NaN more than 90 deg away."""
        vector = np.tensordot(
            self._attitude().T, _unit(np.radians(ra_deg), np.radians(dec_deg)), axes=1
        )
        longitude, latitude = _angles(vector)
        ahead = vector[0] > 0
        v2 = np.where(ahead, longitude / ARCSEC, np.nan)
        v3 = np.where(ahead, latitude / ARCSEC, np.nan)
        return (
            self.v2_ref_arcsec + (v2 - self.v2_ref_arcsec) / self.va_scale,
            self.v3_ref_arcsec + (v3 - self.v3_ref_arcsec) / self.va_scale,
        )

    def seen_from(self, v2_arcsec: float, v3_arcsec: float) -> "Pointing":
        """Return the same attitude described at another reference point (another aperture).

        The aberration then scales about the new point. Both descriptions agree to
        ``|va_scale - 1|`` times the square of the field [rad]: 1e-5 arcsec within 10 arcmin.
        """
        ra, dec = self.to_sky(v2_arcsec, v3_arcsec)
        return replace(
            self,
            ra_ref_deg=float(ra),
            dec_ref_deg=float(dec),
            roll_ref_deg=self._position_angle(*map(float, self._true(v2_arcsec, v3_arcsec))),
            v2_ref_arcsec=float(v2_arcsec),
            v3_ref_arcsec=float(v3_arcsec),
        )

    def dithered(self, v2_arcsec: float, v3_arcsec: float) -> "Pointing":
        """Return the attitude that moves the scene by these angles in V2 and V3 [arcsec].

        What was seen at the reference point is then seen at (V2 + `v2_arcsec`, V3 + `v3_arcsec`);
        the position angle of V3 at that place on the sky stays.
        """
        moved = replace(
            self,
            v2_ref_arcsec=self.v2_ref_arcsec + v2_arcsec,
            v3_ref_arcsec=self.v3_ref_arcsec + v3_arcsec,
        )
        return moved.seen_from(self.v2_ref_arcsec, self.v3_ref_arcsec)

    def keywords(self, v_idl_parity: int, v3_idl_y_angle_deg: float) -> Mapping[str, float]:
        """Return the pointing's header keywords and their values.

        RA_REF, DEC_REF, ROLL_REF, V2_REF, V3_REF, VPARITY, V3I_YANG, PA_APER, PA_V3, RA_V1, DEC_V1 and
        VA_SCALE, for an aperture of this parity and angle [deg].
        """
        axis = _angles(self._attitude()[:, 0])
        return {
            "RA_REF": self.ra_ref_deg,
            "DEC_REF": self.dec_ref_deg,
            "ROLL_REF": self.roll_ref_deg,
            "V2_REF": self.v2_ref_arcsec,
            "V3_REF": self.v3_ref_arcsec,
            "VPARITY": v_idl_parity,
            "V3I_YANG": v3_idl_y_angle_deg,
            "PA_APER": (self.roll_ref_deg + v3_idl_y_angle_deg) % 360.0,
            "PA_V3": self._position_angle(0.0, 0.0),
            "RA_V1": float(np.degrees(axis[0]) % 360.0),
            "DEC_V1": float(np.degrees(axis[1])),
            "VA_SCALE": self.va_scale,
        }

    def _true(self, v2_arcsec: ArrayLike, v3_arcsec: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return V2, V3 [rad] with the aberration undone."""
        v2 = np.asarray(v2_arcsec, dtype=np.float64)
        v3 = np.asarray(v3_arcsec, dtype=np.float64)
        return (
            (self.v2_ref_arcsec + self.va_scale * (v2 - self.v2_ref_arcsec)) * ARCSEC,
            (self.v3_ref_arcsec + self.va_scale * (v3 - self.v3_ref_arcsec)) * ARCSEC,
        )

    def _attitude(self) -> FloatArray:
        """Return the rotation from the telescope's frame to the sky, axes (sky, telescope)."""
        v2, v3 = self.v2_ref_arcsec * ARCSEC, self.v3_ref_arcsec * ARCSEC
        telescope = _triad(v2, v3, 0.0)
        sky = _triad(
            np.radians(self.ra_ref_deg), np.radians(self.dec_ref_deg), np.radians(self.roll_ref_deg)
        )
        return sky @ telescope.T

    def _position_angle(self, v2: float, v3: float) -> float:
        """Return the position angle of V3 [deg] at a point [rad]."""
        telescope = _triad(v2, v3, 0.0)
        point, _, up = (self._attitude() @ telescope).T
        longitude, latitude = _angles(point)
        _, east, north = _triad(float(longitude), float(latitude), 0.0).T
        return float(np.degrees(np.arctan2(up @ east, up @ north)) % 360.0)


def _unit(longitude: ArrayLike, latitude: ArrayLike) -> FloatArray:
    """Return unit vectors, axes (component, …), of angles [rad]."""
    lon, lat = np.broadcast_arrays(
        np.asarray(longitude, dtype=np.float64), np.asarray(latitude, dtype=np.float64)
    )
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def _angles(vector: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return longitude and latitude [rad] of vectors; exact at the poles too."""
    x, y, z = vector
    return np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))


def _triad(longitude: float, latitude: float, angle: float) -> FloatArray:
    """Return a point and two axes across it as columns: that at `angle` from north, and its right.

    Columns are the point, the axis 90 deg east of "up" and "up", which is `angle` [rad] east of
    north.
    """
    point = _unit(longitude, latitude)
    east = np.array([-np.sin(longitude), np.cos(longitude), 0.0])
    north = np.cross(point, east)
    up = np.cos(angle) * north + np.sin(angle) * east
    right = np.cos(angle) * east - np.sin(angle) * north
    return np.stack([point, right, up], axis=1)
