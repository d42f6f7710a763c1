"""What stands in the grating wheel: the mirror, six gratings, or the prism.

The laws are those of Dorner et al. 2016 (A&A 592, A113, section 3.3): light from the collimator is
described in a frame that is turned to the disperser's surface, follows the law of the mirror, the
grating or the prism, and is turned back. The wheel never comes to rest twice at the same angle:
sensors tell how far from the reference it has stopped (Jakobsen et al. 2022, A&A 661, A80, section 2.6).
The forms of the files are those of the JWST documentation, "DISPERSER Reference File".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calcore.errors import ReferenceInvalid
from calcore_nirspec.wcs.directions import Float, on_unit_sphere, rotation, turned

AXES = "xyzy"
"""Axes about which the frame of the spectrograph is turned, in this order, to that of a disperser."""
MIRROR, PRISM = "MIRROR", "PRISM"
_ARCSEC_PER_DEGREE = 3600.0
_METRE_PER_MICRON = 1e-6
_ANGLES = "theta_x", "theta_y", "theta_z", "tilt_y"


@dataclass(frozen=True, kw_only=True)
class Glass:
    """A prism whose back is a mirror.

    Attributes
    ----------
    angle_deg
        Between its front and its back [degree].
    strengths, resonances
        Of Sellmeier's formula; the latter are squares of wavelengths [square micron].
    """

    angle_deg: float
    strengths: tuple[float, ...]
    resonances: tuple[float, ...]

    def index(self, wavelength_m: Float) -> Float:
        """Return the index of refraction at wavelengths [m], at the model's own temperature."""
        square = (np.asarray(wavelength_m, float) / _METRE_PER_MICRON) ** 2
        terms = (
            strength * square / (square - resonance)
            for strength, resonance in zip(self.strengths, self.resonances, strict=True)
        )
        return np.asarray(np.sqrt(1 + sum(terms)))


@dataclass(frozen=True, kw_only=True)
class Disperser:
    """A disperser as it stands in the light.

    Attributes
    ----------
    name
        Value of GRATING.
    angles_deg
        By which the frame turns about x, y, z and y again [degree].
    grooves_per_m
        Of a grating; 0 for the mirror.
    glass
        Of the prism.
    """

    name: str
    angles_deg: tuple[float, float, float, float]
    grooves_per_m: float = 0.0
    glass: Glass | None = None

    @property
    def matrix(self) -> Float:
        """The matrix (3, 3) from directions in the spectrograph to those before the surface."""
        return rotation(self.angles_deg, AXES)

    def at_rest(self, turn_x_deg: float, turn_y_deg: float) -> "Disperser":
        """Return the disperser turned a little more about x and y [degree]."""
        x, y, z, tilt = self.angles_deg
        return replace(self, angles_deg=(x + turn_x_deg, y + turn_y_deg, z, tilt))

    def outgoing(self, incoming: Float, wavelength_m: Float, order: int) -> Float:
        """Return where light goes.

        Parameters
        ----------
        incoming : float64 (3, …)
            Unit vectors towards where the light comes from, in the spectrograph's frame.
        wavelength_m : float64 (…)
            Wavelengths [m].
        order : int
            Order of diffraction of a grating; NIRSpec's is -1.

        Returns
        -------
        float64 (3, …)
            Unit vectors along which it leaves; NaN where it cannot.
        """
        matrix = self.matrix
        vector = turned(matrix, incoming)
        if self.glass is not None:
            left = _through(self.glass, vector, wavelength_m)
        else:
            path = -order * self.grooves_per_m * np.asarray(wavelength_m, float)
            left = on_unit_sphere(path - vector[0], -vector[1])
        return turned(matrix.T, left)


def _through(glass: Glass, vector: Float, wavelength_m: Float) -> Float:
    """Return directions after refraction, reflection at the prism's back, and refraction."""
    index = glass.index(wavelength_m)
    inside = on_unit_sphere(vector[0] / index, vector[1] / index)
    angle = np.radians(glass.angle_deg)
    normal_x, normal_z = np.sin(angle), np.cos(angle)
    along = normal_x * inside[0] + normal_z * inside[2]
    return on_unit_sphere(index * (2 * along * normal_x - inside[0]), -index * inside[1])


def disperser_of(
    tree: Mapping[str, Any], readings: tuple[float | None, float | None] = (None, None)
) -> Disperser:
    """Return a disperser as its reference describes it, where the wheel has come to rest.

    Parameters
    ----------
    tree : mapping
        Content of a file of type ``disperser``.
    readings : tuple of float or None
        What the wheel's sensors say, GWA_XTIL and GWA_YTIL; None is taken for the reference's own.

    Raises
    ------
    ReferenceInvalid
        Something is missing.
    """
    try:
        name = str(tree.get("grating") or tree["meta"]["instrument"]["grating"])
        x, y, z, tilt = (float(tree[key]) for key in _ANGLES)
        glass = None
        if "kcoef" in tree:
            glass = Glass(
                angle_deg=float(tree["angle"]),
                strengths=tuple(map(float, tree["kcoef"])),
                resonances=tuple(map(float, tree["lcoef"])),
            )
        elif name == PRISM:
            raise KeyError("kcoef")  # noqa: TRY301 - one sentence tells of all that is missing
        elif name != MIRROR:
            float(tree["groovedensity"])
        made = Disperser(
            name=name, angles_deg=(x, y, z, tilt), glass=glass,
            grooves_per_m=0.0 if name == MIRROR else float(tree.get("groovedensity") or 0),
        )  # fmt: skip
        # The sensor of x tells of turns about y, and the other way round.
        turn_y, turn_x = (
            _turn(tree[f"gwa_tilt{axis}"], reading)
            for axis, reading in zip("xy", readings, strict=True)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ReferenceInvalid(
            f"the disperser reference has no {error} as it should; give another with "
            "--ref disperser=FILE"
        ) from error
    return made.at_rest(turn_x, turn_y)


def _turn(sensor: Mapping[str, Any], reading: float | None) -> float:
    """Return the angle [degree] by which the disperser stands off its reference.

    It is half of what the sensor's model [arcsec] says (found by comparison with jwst 3.0.0).
    """
    if reading is None:
        return 0.0
    zero: Sequence[float] = sensor["zeroreadings"]
    model = sensor["tilt_model"]
    return 0.5 * float(model(reading) - model(float(zero[0]))) / _ARCSEC_PER_DEGREE
