"""The sky as a detector would count it without noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.simulate.geometry import Geometry
from calcore.simulate.optics import PointSpread
from calcore.simulate.pointing import Pointing
from calcore.simulate.scene import Scene
from calcore.simulate.tables import Detector, Filter, Subarray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """What is known of each source on a frame; arrays with the axis (source,).

    Attributes
    ----------
    source_id, kind, ra_deg, dec_deg, flux_jy, isolated
        As in the scene.
    x, y
        Position in the sub-array, counted from 0 [pixel]; the source may lie off the frame.
    rate_electron_s
        All its light [electron/s], pixels off the frame and off the stamp included.
    on_frame_electron_s
        What the frame holds of it [electron/s].
    """

    source_id: NDArray[np.int64]
    kind: NDArray[np.int64]
    ra_deg: FloatArray
    dec_deg: FloatArray
    flux_jy: FloatArray
    isolated: NDArray[np.bool_]
    x: FloatArray
    y: FloatArray
    rate_electron_s: FloatArray
    on_frame_electron_s: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class SkyImage:
    """A noiseless frame of count rates and what made it.

    Attributes
    ----------
    rate
        Signal in science orientation of the sub-array, (ny, nx) [electron/s]. Reference pixels
        see no light: 0. Flat field and detector effects are not in it.
    truth
        The sources that leave light on it.
    geometry
        Detector, sub-array, filter and pointing; `geometry.exposure_pointing.keywords(...)` gives
        the header.
    point_spread
        What the stars look like.
    gain
        Electrons per DN that were assumed [electron/DN].
    electron_s_per_mjysr
        Signal of 1 MJy/sr in a pixel of nominal area [electron/s].
    """

    rate: FloatArray
    truth: Truth
    geometry: Geometry
    point_spread: PointSpread
    gain: float
    electron_s_per_mjysr: float


def render(
    scene: Scene,
    *,
    detector: Detector,
    subarray: Subarray,
    filter: Filter,
    pointing: Pointing,
    gain: float,
    point_spread: PointSpread | None = None,
    seed: int = 0,
) -> SkyImage:
    """Render a scene as one detector counts it; `seed` is the wavefront's where no PSF is given."""
    raise NotImplementedError


def photometry_grid(
    geometry: Geometry, *, margin_pixel: int = 100
) -> tuple[FloatArray, FloatArray]:
    """Return RA, Dec [deg] of the centre and the four corners of a frame, `margin_pixel` inside."""
    raise NotImplementedError
