"""From pixels to the sky and back, for one detector and sub-array.

Frames: pixel (x, y) counted from 0 in the sub-array -> pixel of the full frame -> Ideal angles of
the detector -> V2, V3 -> sky.
"""

from dataclasses import dataclass

import numpy as np
from astropy.modeling import Model
from numpy.typing import ArrayLike, NDArray

from calcore.simulate.pointing import Pointing
from calcore.simulate.tables import Detector, Filter, Subarray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Geometry:
    """What each pixel of an exposure sees.

    `pointing` may be described at any reference point: it is seen from the sub-array's own
    (`exposure_pointing`), whose keywords go into the header and about which the velocity
    aberration scales.
    """

    detector: Detector
    subarray: Subarray
    pointing: Pointing
    filter: Filter

    @property
    def exposure_pointing(self) -> Pointing:
        """The attitude at the sub-array's reference point; what the header says."""
        raise NotImplementedError

    def to_v2v3(self, x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return V2, V3 [arcsec] of pixels of the sub-array, counted from 0."""
        raise NotImplementedError

    def from_v2v3(self, v2: ArrayLike, v3: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return the pixels of V2, V3 [arcsec]; NaN far off the detector."""
        raise NotImplementedError

    def to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return RA, Dec [deg] of pixels of the sub-array."""
        raise NotImplementedError

    def from_sky(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return the pixels (x, y) of sky positions [deg]; NaN far off the detector."""
        raise NotImplementedError

    def area_map(self) -> FloatArray:
        """Return the solid angle of the sub-array's pixels over the nominal one, (ny, nx)."""
        raise NotImplementedError


def pixel_area_map(detector: Detector) -> FloatArray:
    """Return the solid angle of all pixels over the nominal one, (ny, nx) of the full frame.

    This is the content of the AREA reference file; its PIXAR_SR is `detector.pixel_area_sr`.
    """
    raise NotImplementedError


def distortion_model(detector: Detector) -> Model:
    """Return the distortion as an astropy model for a reference file.

    Maps pixels (x, y) of the full frame, counted from 0, to V2, V3 [arcsec]; its `inverse` is
    attached, fitted so that it returns pixels within 1e-4 rms (`inverse_residual` measures it).
    The bounding box and the filter's offset are not part of it.
    """
    raise NotImplementedError


def inverse_residual(model: Model, shape: tuple[int, int]) -> tuple[float, float]:
    """Return the rms and the largest distance [pixel] of there and back over a frame (ny, nx)."""
    raise NotImplementedError
