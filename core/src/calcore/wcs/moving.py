"""World coordinates that follow a target: where it was in each exposure becomes one place.

A target of the solar system moves among the stars while it is observed. Its own surroundings, a coma
or rings, go with it and keep their directions in space. Coordinates follow when they are turned on
the sphere, along the great circle from where the target was to where all exposures are to have it.
The same shift of right ascension and declination everywhere, as the reference pipeline has it, leaves
that place right, and stretches right ascension around it as its declination changes.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from astropy.modeling import Model
from astropy.modeling.models import RotationSequence3D, Shift
from gwcs import WCS
from gwcs.geometry import CartesianToSpherical, SphericalToCartesian

from calcore.wcs import frames

Movement = Literal["shift", "rotation"]
Place = tuple[float, float]
"""Right ascension and declination [deg]."""


def mean_place(places: Sequence[Place]) -> Place:
    """Return the mean of right ascensions, in [0, 360), and of declinations [deg].

    Right ascensions are taken the short way from the first: 359 and 1 have the mean 0.
    """
    ra, dec = np.array(places, dtype=np.float64).T
    east = (ra - ra[0] + 180) % 360 - 180
    return float((ra[0] + np.mean(east)) % 360), float(np.mean(dec))


def following(wcs: WCS, place: Place, mean: Place, movement: Movement) -> WCS:
    """Return world coordinates in which the target is at the mean place.

    Parameters
    ----------
    wcs : gwcs.WCS
        From pixels to the frame ``world``. Coordinates that follow a target already are made anew.
    place, mean : tuple of float
        Where the target was in this exposure, and where all are to have it [deg].
    movement : str
        ``"shift"`` of right ascension and declination, or ``"rotation"`` on the sphere.

    Returns
    -------
    gwcs.WCS
        With one more frame, ``moving_target``, and the same bounding box. `wcs` is not changed.
    """
    links = [(link.frame, link.transform) for link in wcs.pipeline]
    if links[-1][0].name == frames.moving_target().name:
        links.pop()
    link = _shift(place, mean) if movement == "shift" else _rotation(place, mean)
    followed = WCS([*links[:-1], (links[-1][0], link), (frames.moving_target(), None)])
    followed.bounding_box = wcs.bounding_box
    followed.array_shape = wcs.array_shape
    return followed


def _shift(place: Place, mean: Place) -> Model:
    east = (mean[0] - place[0] + 180) % 360 - 180
    return Shift(east) & Shift(mean[1] - place[1])


def _rotation(place: Place, mean: Place) -> Model:
    """Return the turn along the great circle: ahead along the equator, along it, and back."""
    (ra, dec), (east, north) = place, _towards(place, mean)
    ahead = [ra, -dec, np.degrees(np.arctan2(north, east))]
    angles = [*ahead, -np.degrees(np.hypot(east, north)), *(-angle for angle in reversed(ahead))]
    turned: Model = (
        SphericalToCartesian(wrap_lon_at=180)
        | RotationSequence3D(angles, axes_order="zyxzxyz")
        | CartesianToSpherical(wrap_lon_at=360)
    )
    return turned


def _towards(place: Place, mean: Place) -> tuple[float, float]:
    """Return how far east and north along the great circle the mean place lies [rad]."""
    (ra, dec), (other_ra, other_dec) = np.radians(place), np.radians(mean)
    across = other_ra - ra
    east = np.cos(other_dec) * np.sin(across)
    north = np.sin(other_dec - dec) + np.sin(dec) * np.cos(other_dec) * 2 * np.sin(across / 2) ** 2
    ahead = np.sin(dec) * np.sin(other_dec) + np.cos(dec) * np.cos(other_dec) * np.cos(across)
    size = np.hypot(east, north)
    far = np.arctan2(size, ahead) / size if size else 1.0
    return float(east * far), float(north * far)
