"""The spectrograph: from the plane of the slits to the pixels of the detectors.

Planes and their order: Dorner et al. 2016 (A&A 592, A113, section 3): slits, collimator, grating
wheel, camera, detectors. Collimator and camera are polynomials with a turn and a scale; what is
called their inverse in the files is a fit of its own, good to 0.02 pixel of the camera.
"""

from dataclasses import dataclass

import numpy as np
from astropy.modeling import Model

from calcore_nirspec.wcs.directions import Float, tangents, unit_vector
from calcore_nirspec.wcs.disperser import Disperser

FLIPPED = "NRS2"
"""Images of this detector are turned by half a circle from the order it is read out in."""
LAST = 2047
"""Index of the last row and column of a detector."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectrograph:
    """The optics behind the plane of the slits.

    Attributes
    ----------
    detector
        Value of DETECTOR.
    fpa
        From its pixels, as they are read out, to the plane of the detectors [m].
    camera
        From there to tangents of directions at the grating wheel.
    collimator
        From such tangents to the plane of the slits [m].
    disperser
        What stands in the grating wheel.
    order
        Order of diffraction.
    """

    detector: str
    fpa: Model
    camera: Model
    collimator: Model
    disperser: Disperser
    order: int = -1

    def pixels(self, x_m: Float, y_m: Float, wavelength_m: Float) -> tuple[Float, Float]:
        """Return where light through a point of the plane of the slits falls.

        Parameters
        ----------
        x_m, y_m : float64 (…)
            The point [m].
        wavelength_m : float64 (…)
            Wavelength of the light [m].

        Returns
        -------
        float64 (…), float64 (…)
            Column x and row y of the full frame in science orientation, counted from 0 [pixel],
            also outside of it; NaN where no light can go.
        """
        x, y, wavelength = np.broadcast_arrays(
            *(np.asarray(value, float) for value in (x_m, y_m, wavelength_m))
        )
        incoming = unit_vector(*self.collimator.inverse(x, y))
        leaving = self.disperser.outgoing(incoming, wavelength, self.order)
        column, row = self.fpa.inverse(*self.camera.inverse(*tangents(leaving)))
        if self.detector == FLIPPED:
            column, row = LAST - column, LAST - row
        return column, row
