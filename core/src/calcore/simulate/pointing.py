"""Where the telescope looks: sky positions from the telescope's frame and back.

The telescope's frame has the axes V1 (line of sight), V2 and V3; positions near the line of sight
are two angles (V2, V3) [arcsec]. Its attitude is a rotation given by the sky position and the
position angle of V3 at one reference point (Cox & Lallo 2017, JWST-STScI-001550, section 5).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


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
        Velocity aberration: true angles over seen ones, about the reference point.
    """

    ra_ref_deg: float
    dec_ref_deg: float
    roll_ref_deg: float
    v2_ref_arcsec: float
    v3_ref_arcsec: float
    va_scale: float = 1.0

    def to_sky(self, v2_arcsec: ArrayLike, v3_arcsec: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return RA in [0, 360) and Dec [deg] of points of the telescope's frame [arcsec]."""
        raise NotImplementedError

    def from_sky(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return V2 and V3 [arcsec] of sky positions [deg]; NaN for more than 90 deg away."""
        raise NotImplementedError

    def seen_from(self, v2_arcsec: float, v3_arcsec: float) -> "Pointing":
        """Return the same attitude described at another reference point (another aperture)."""
        raise NotImplementedError

    def dithered(self, v2_arcsec: float, v3_arcsec: float) -> "Pointing":
        """Return the attitude that moves the scene by these angles in V2 and V3 [arcsec]."""
        raise NotImplementedError

    def keywords(self, v_idl_parity: int, v3_idl_y_angle_deg: float) -> Mapping[str, float]:
        """Return RA_REF, DEC_REF, ROLL_REF, V2_REF, V3_REF, VPARITY, V3I_YANG, PA_V3, RA_V1, DEC_V1, VA_SCALE."""
        raise NotImplementedError
