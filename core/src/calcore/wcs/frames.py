"""The coordinate frames an image's world coordinates pass through.

``detector`` -> ``v2v3`` -> ``v2v3vacorr`` -> ``world`` -> ``moving_target``, the last where the
target moves. The names are those of the reference pipeline's products, so that either reads what the
other wrote.
"""

from astropy import units as u
from astropy.coordinates import ICRS
from gwcs.coordinate_frames import CelestialFrame, Frame2D


def detector() -> Frame2D:
    """Return the frame of pixels (x, y) of the sub-array, counted from 0 [pixel]."""
    return Frame2D(name="detector", axes_order=(0, 1), unit=(u.pix, u.pix))


def v2v3() -> Frame2D:
    """Return the telescope's frame: angles V2, V3 [arcsec]."""
    return _telescope("v2v3")


def v2v3vacorr() -> Frame2D:
    """Return the telescope's frame without velocity aberration: angles V2, V3 [arcsec]."""
    return _telescope("v2v3vacorr")


def world() -> CelestialFrame:
    """Return the sky: ICRS right ascension and declination [deg]."""
    return _sky("world")


def moving_target() -> CelestialFrame:
    """Return the sky as it is around a target that stands still: ICRS at one time [deg]."""
    return _sky("moving_target")


def _sky(name: str) -> CelestialFrame:
    return CelestialFrame(name=name, axes_order=(0, 1), reference_frame=ICRS(), unit=(u.deg, u.deg))


def _telescope(name: str) -> Frame2D:
    return Frame2D(name=name, axes_order=(0, 1), axes_names=("v2", "v3"), unit=(u.arcsec, u.arcsec))
