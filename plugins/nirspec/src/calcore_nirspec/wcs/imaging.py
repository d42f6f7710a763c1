"""World coordinates of images, which the mirror in the grating wheel makes.

Frames: detector, sca (pixels in the order of read-out), gwa (directions at the grating wheel), msa
(the plane of the slits), oteip (the telescope's focal plane), v2v3, v2v3vacorr, world; named as the
reference pipeline's are. Lamps shine from behind the telescope: theirs end at msa.
"""

from dataclasses import dataclass, replace

import numpy as np
from astropy import units as u
from astropy.modeling import Model
from astropy.modeling.models import (
    Const1D,
    Identity,
    Mapping,
    RotationSequence3D,
    Scale,
    Shift,
)
from gwcs import WCS
from gwcs.coordinate_frames import CompositeFrame, CoordinateFrame, Frame2D, SpectralFrame
from stdatamodels.jwst.transforms.models import DirCos2Unitless, Unitless2DirCos

from calcore.wcs import frames
from calcore.wcs.pointing import Pointing, aberration, attitude
from calcore_nirspec.wcs.directions import tangents, turned, unit_vector
from calcore_nirspec.wcs.disperser import AXES
from calcore_nirspec.wcs.fitting import turned_round
from calcore_nirspec.wcs.spectrograph import FLIPPED, LAST, Spectrograph

_NODES = 24
_BEYOND = 20
"""Pixels beyond the detector's edges for which the way back still holds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Foreoptics:
    """What lies between the sky and the plane of the slits.

    Attributes
    ----------
    fore
        From the plane of the slits [m] and wavelength [m] to the telescope's focal plane.
    ote
        From there to V2, V3 [arcsec].
    pointing
        Where the telescope looks.
    """

    fore: Model
    ote: Model
    pointing: Pointing


def imaging_wcs(
    spectrograph: Spectrograph,
    wavelength_m: float,
    foreoptics: Foreoptics | None,
    *,
    shape: tuple[int, int],
    corner: tuple[int, int] = (0, 0),
) -> WCS:
    """Return the world coordinates of an image.

    Parameters
    ----------
    spectrograph : Spectrograph
        With the mirror in its wheel.
    wavelength_m : float
        At which the foreoptics are taken: the middle of the filter's range [m].
    foreoptics : Foreoptics, optional
        None for lamps.
    shape : tuple of int
        Rows and columns of the image.
    corner : tuple of int
        Row and column of the image's first pixel in the full frame, from 0.

    Returns
    -------
    gwcs.WCS
        From pixels (x, y) of the image, counted from 0, to right ascension and declination [deg];
        for lamps to x and y in the plane of the slits [m] and the wavelength [m].
    """
    spectrograph, foreoptics = _reversible(spectrograph, foreoptics, wavelength_m)
    steps: list[tuple[CoordinateFrame, Model | None]] = [
        (frames.detector(), _to_readout(spectrograph.detector, corner)),
        (_plane("sca", u.pix), _to_wheel(spectrograph)),
        (_wheel(), _to_slits(spectrograph, wavelength_m)),
    ]
    slits = CompositeFrame(
        [
            _plane("msa_plane", u.m, ("x_msa", "y_msa")),
            SpectralFrame(name="msa_spectral", axes_order=(2,), unit=(u.m,)),
        ],
        name="msa",
    )
    if foreoptics is None:
        steps.append((slits, None))
    else:
        steps += [
            (slits, foreoptics.fore),
            (_plane("oteip", u.deg, ("x_oteip", "y_oteip")), foreoptics.ote),
            (frames.v2v3(), aberration(foreoptics.pointing)),
            (frames.v2v3vacorr(), attitude(foreoptics.pointing)),
            (frames.world(), None),
        ]
    wcs = WCS(steps)
    ny, nx = shape
    wcs.bounding_box = (-0.5, nx - 0.5), (-0.5, ny - 0.5)
    return wcs


def _reversible(
    spectrograph: Spectrograph, foreoptics: Foreoptics | None, wavelength_m: float
) -> tuple[Spectrograph, Foreoptics | None]:
    """Return the same optics with inverses that agree with them for all pixels of the detector.

    Those in the references are fitted for what the slits see, and 2 pixels off in the corners.
    """
    node = np.linspace(-_BEYOND, LAST + _BEYOND, _NODES)
    points = np.stack([plane.ravel() for plane in np.meshgrid(node, node)])
    points = np.stack(spectrograph.fpa(*points))
    camera, points = turned_round(spectrograph.camera, points)
    matrix = spectrograph.disperser.matrix
    leaving = turned(matrix, unit_vector(*points)) * np.array([[-1.0], [-1.0], [1.0]])
    points = np.stack(tangents(turned(matrix.T, leaving)))
    collimator, points = turned_round(spectrograph.collimator, points)
    spectrograph = replace(spectrograph, camera=camera, collimator=collimator)
    if foreoptics is None:
        return spectrograph, None
    colour = _with_wavelength(wavelength_m)
    plane, points = turned_round(colour | foreoptics.fore, points)
    fore: Model = Identity(3) | foreoptics.fore
    fore.inverse = plane.inverse | colour
    ote, _ = turned_round(foreoptics.ote, points)
    return spectrograph, replace(foreoptics, fore=fore, ote=ote)


def _plane(name: str, unit: u.UnitBase, axes: tuple[str, str] = ("x", "y")) -> Frame2D:
    return Frame2D(name=name, axes_order=(0, 1), axes_names=axes, unit=(unit, unit))


def _wheel() -> CoordinateFrame:
    return CoordinateFrame(
        3, ["DIRECTION"] * 3, (0, 1, 2), name="gwa", axes_names=("alpha", "beta", "gamma"),
        unit=(u.one,) * 3,
    )  # fmt: skip


def _to_readout(detector: str, corner: tuple[int, int]) -> Model:
    """Return the way from pixels of the image to those of the detector as it is read out."""
    row, column = map(float, corner)
    shift = Shift(column) & Shift(row)
    if detector != FLIPPED:
        return shift
    return shift | Scale(-1.0) & Scale(-1.0) | Shift(float(LAST)) & Shift(float(LAST))


def _to_wheel(spectrograph: Spectrograph) -> Model:
    turn = RotationSequence3D(list(spectrograph.disperser.angles_deg), axes_order=AXES)
    return spectrograph.fpa | spectrograph.camera | Unitless2DirCos() | turn


def _to_slits(spectrograph: Spectrograph, wavelength_m: float) -> Model:
    """Return the way through the mirror and the collimator; the wavelength comes along."""
    turn = RotationSequence3D(list(spectrograph.disperser.angles_deg), axes_order=AXES)
    mirror = Scale(-1.0) & Scale(-1.0) & Identity(1)
    way: Model = mirror | turn.inverse | DirCos2Unitless() | spectrograph.collimator
    back = way.inverse
    link: Model = way | _with_wavelength(wavelength_m)
    link.inverse = Mapping((0, 1), n_inputs=3) | back
    return link


def _with_wavelength(wavelength_m: float) -> Model:
    return Mapping((0, 1, 1)) | Identity(2) & Const1D(wavelength_m)
