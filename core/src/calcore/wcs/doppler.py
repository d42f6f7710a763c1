"""Wavelengths as the solar system's barycentre would see them."""

from astropy.constants import c

SPEED_OF_LIGHT = float(c.to_value("m/s"))


def barycentric(velocity: float | None) -> float:
    """Return the factor that takes wavelengths to the barycentre; 1 if nothing is known.

    Parameters
    ----------
    velocity : float, optional
        VELOSYS: correction of radial velocities to the barycentre [m/s].
    """
    return 1.0 if velocity is None else 1.0 / (1.0 + velocity / SPEED_OF_LIGHT)
