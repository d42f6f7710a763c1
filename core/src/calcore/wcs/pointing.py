"""From the telescope's angles to the sky: velocity aberration and attitude as transforms.

The attitude is a chain of rotations that takes the reference point (V2_REF, V3_REF) to
(RA_REF, DEC_REF), with V3 at the position angle ROLL_REF there (Cox & Lallo 2017,
JWST-STScI-001550, section 5). Velocity aberration is a scale about the reference point.
"""

from dataclasses import dataclass

import numpy as np
from astropy.modeling import Model
from astropy.modeling.models import Identity, RotationSequence3D, Scale, Shift
from gwcs.geometry import CartesianToSpherical, SphericalToCartesian
from numpy.typing import NDArray

Angles = NDArray[np.float64]
ARCSEC_PER_DEGREE = 3600.0


@dataclass(frozen=True, kw_only=True)
class Pointing:
    """Where an aperture's reference point looks, as the header says it.

    Attributes
    ----------
    ra_deg, dec_deg : float
        RA_REF, DEC_REF: sky position of the reference point, ICRS [deg].
    roll_deg : float
        ROLL_REF: position angle of V3 at the reference point, east of north [deg].
    v2_arcsec, v3_arcsec : float
        V2_REF, V3_REF: the reference point in the telescope's frame [arcsec].
    aberration_scale : float, optional
        VA_SCALE: true angles over seen angles; None if unknown, which is taken as 1.
    """

    ra_deg: float
    dec_deg: float
    roll_deg: float
    v2_arcsec: float
    v3_arcsec: float
    aberration_scale: float | None = None


def aberration(pointing: Pointing) -> Model:
    """Return the transform from ``v2v3`` to ``v2v3vacorr`` [arcsec to arcsec]."""
    scale = pointing.aberration_scale
    if scale is None or scale == 1.0:
        return Identity(2)
    scaled = Scale(scale, name="dva_scale_v2") & Scale(scale, name="dva_scale_v3")
    shifted = Shift((1 - scale) * pointing.v2_arcsec, name="dva_v2_shift") & Shift(
        (1 - scale) * pointing.v3_arcsec, name="dva_v3_shift"
    )
    correction: Model = scaled | shifted
    correction.name = "DVA_Correction"
    return correction


def attitude(pointing: Pointing) -> Model:
    """Return the transform from V2, V3 [arcsec] to right ascension in [0, 360) and declination [deg]."""
    to_degrees = Scale(1 / ARCSEC_PER_DEGREE) & Scale(1 / ARCSEC_PER_DEGREE)
    to_sky: Model = (
        to_degrees
        | SphericalToCartesian(wrap_lon_at=180)
        | RotationSequence3D(turns(pointing), axes_order="zyxyz")
        | CartesianToSpherical(wrap_lon_at=360)
    )
    to_sky.name = "v23tosky"
    return to_sky


def turns(pointing: Pointing) -> list[float]:
    """Return the angles [deg] of the attitude's rotations, about z, y, x, y and z in turn."""
    return [
        pointing.v2_arcsec / ARCSEC_PER_DEGREE,
        -pointing.v3_arcsec / ARCSEC_PER_DEGREE,
        pointing.roll_deg,
        pointing.dec_deg,
        -pointing.ra_deg,
    ]


def to_sky(pointing: Pointing, v2: Angles, v3: Angles) -> tuple[Angles, Angles]:
    """Return what `aberration` and `attitude` together do, for many positions at once.

    Parameters
    ----------
    pointing : Pointing
        Where the aperture's reference point looks.
    v2, v3 : float64 (...)
        Positions in the frame ``v2v3`` [arcsec]; NaN stays.

    Returns
    -------
    tuple of float64 (...)
        Right ascension in [0, 360) and declination [deg].
    """
    scale = 1.0 if pointing.aberration_scale is None else pointing.aberration_scale
    to_radians = np.radians(1 / ARCSEC_PER_DEGREE)
    longitude = (pointing.v2_arcsec + scale * (v2 - pointing.v2_arcsec)) * to_radians
    latitude = (pointing.v3_arcsec + scale * (v3 - pointing.v3_arcsec)) * to_radians
    turned = RotationSequence3D(turns(pointing), axes_order="zyxyz")
    columns = [np.ravel(turned(*unit)) for unit in np.eye(3)]
    level = np.cos(latitude)
    parts = level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude)
    x, y, z = (sum(c[k] * part for c, part in zip(columns, parts, strict=True)) for k in range(3))
    return np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))


def ideal_offset(x: float, y: float, *, angle_deg: float, parity: int) -> tuple[float, float]:
    """Return what an offset in an aperture's own frame is in the telescope's (V2, V3) [arcsec].

    Parameters
    ----------
    x, y : float
        Offset along the axes of the aperture's ideal frame [arcsec].
    angle_deg, parity
        V3I_YANG, from V3 to the frame's y axis [deg], and VPARITY, 1 or -1 (Cox & Lallo 2017,
        JWST-STScI-001550).
    """
    sine, cosine = np.sin(np.radians(angle_deg)), np.cos(np.radians(angle_deg))
    return float(parity * x * cosine + y * sine), float(-parity * x * sine + y * cosine)
