"""World coordinates of a slit whose light is dispersed across rows, as tables describe it.

All light that enters at one point of the slit falls on a trace; those of other points lie beside it. The
frames are those of the reference pipeline's products: ``detector`` -> ``alpha_beta`` (along and
across the slit) -> ``v2v3`` -> ``v2v3vacorr`` -> ``world``.
"""

from dataclasses import dataclass

import numpy as np
from astropy.modeling import Model
from astropy.modeling.models import (
    Const1D,
    Identity,
    Mapping,
    Polynomial2D,
    Scale,
    Shift,
    Tabular1D,
)
from gwcs import WCS
from numpy.typing import NDArray

from calcore.errors import CalcoreError
from calcore.wcs import frames, spectral_frames
from calcore.wcs.imaging import Box
from calcore.wcs.pointing import Pointing, aberration, attitude

Values = NDArray[np.float64]
Place = tuple[float, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class Trace:
    """Where light of one point of a slit falls, row by row.

    Attributes
    ----------
    rows : float64 (n,)
        Rows, ascending, from that of the slit's middle [pixel].
    columns : float64 (n,)
        By how much the trace lies right of the point itself [pixel].
    wavelengths : float64 (n,)
        Wavelengths, ascending or descending [um].
    """

    rows: Values
    columns: Values
    wavelengths: Values


@dataclass(frozen=True, eq=False, kw_only=True)
class Entrance:
    """A slit as it would look if its light were not dispersed.

    Attributes
    ----------
    origin : (float, float)
        Column and row of the middle of the slit, where both angles are 0, in this sub-array [pixel].
    corner : (int, int)
        Row and column of the sub-array's first pixel in the full frame, from 0.
    distortion : Model
        From columns and rows of the full frame to V2 and V3 [arcsec], with its inverse. It is copied.
    """

    origin: Place
    corner: tuple[int, int]
    distortion: Model

    def scale(self) -> float:
        """Return the angle from the middle of the slit to a pixel further right [arcsec]."""
        x, y = self.origin[0] + self.corner[1], self.origin[1] + self.corner[0]
        here, beside = (np.array(self.distortion(column, y)) for column in (x, x + 1))
        return float(np.hypot(*(beside - here)))


def dispersed_slit_wcs(
    trace: Trace, entrance: Entrance, pointing: Pointing, *, box: Box, stretch: float = 1.0
) -> WCS:
    """Return the world coordinates of a slit whose light is dispersed across rows.

    Parameters
    ----------
    trace : Trace
        Where light falls.
    entrance : Entrance
        The slit.
    pointing : Pointing
        Where the aperture's reference point looks.
    box : Box
        The part of the sub-array that the slit's light reaches [pixel].
    stretch : float
        Factor of wavelengths that takes out the telescope's motion.

    Returns
    -------
    gwcs.WCS
        From pixels (x, y) of the sub-array, counted from 0, to right ascension and declination [deg]
        and wavelength [um]; NaN beyond the rows of the trace and outside the box.
    """
    scale = entrance.scale()
    wcs = WCS(
        [
            (frames.detector(), _to_slit(trace, entrance.origin, scale, stretch)),
            (spectral_frames.alpha_beta(), _to_telescope(entrance, scale) & Identity(1)),
            (spectral_frames.v2v3(), aberration(pointing) & Identity(1)),
            (spectral_frames.v2v3vacorr(), attitude(pointing) & Identity(1)),
            (spectral_frames.world(), None),
        ]
    )
    wcs.bounding_box = box
    return wcs


def _to_slit(trace: Trace, origin: Place, scale: float, stretch: float) -> Model:
    """Return the transform from pixels to angles along and across the slit and to wavelengths."""
    x, y = origin
    # The reference pipeline takes the slit's middle from parameters offset_1 and offset_2.
    from_middle = Mapping((0, 1)) | Shift(-x) & Shift(-y)
    beside = _table(trace.rows, trace.columns)
    along = Polynomial2D(1, c1_0=scale, c0_1=-scale)
    wavelength = _table(trace.rows, trace.wavelengths) | Scale(stretch)
    forward = (
        from_middle
        | Mapping((0, 1, 1, 1))
        | Identity(1) & beside & Const1D(0.0) & wavelength
        | along & Identity(2)
    )
    row = Scale(1 / stretch) | _table(trace.wavelengths, trace.rows)
    column = Polynomial2D(1, c1_0=1 / scale, c0_1=1.0)
    forward.inverse = (
        Mapping((0, 2), n_inputs=3)
        | Identity(1) & row
        | Mapping((0, 1, 1))
        | Identity(1) & beside & Identity(1)
        | column & Identity(1)
        | Shift(x) & Shift(y)
    )
    return forward


def _to_telescope(entrance: Entrance, scale: float) -> Model:
    """Return the transform from angles along and across the slit to V2 and V3."""
    (x, y), (row, column) = entrance.origin, entrance.corner
    distortion = entrance.distortion.copy()
    if distortion.has_user_bounding_box:
        del distortion.bounding_box
    to_pixels = Scale(1 / scale) & Scale(1 / scale) | Shift(x + column) & Shift(y + row)
    return to_pixels | distortion


def _table(points: Values, values: Values) -> Model:
    """Return a table interpolated linearly, NaN beyond its ends; points may descend."""
    order = np.argsort(points)
    return Tabular1D(
        points=points[order], lookup_table=values[order], bounds_error=False, fill_value=np.nan
    )


def middle_of(wcs: WCS) -> Place:
    """Return column and row of the middle of the slit [pixel].

    Raises
    ------
    CalcoreError
        These are other world coordinates.
    """
    first = wcs.pipeline[0].transform
    names = "offset_1", "offset_2"
    if not set(names) <= set(getattr(first, "param_names", ())):
        raise CalcoreError(
            "these are no world coordinates of a dispersed slit; run assign_wcs again"
        )
    x, y = (-float(getattr(first, name).value) for name in names)
    return x, y


def pixel_size(wcs: WCS) -> float:
    """Return how long a pixel is along the slit [arcsec]."""
    (x_low, x_high), (y_low, y_high) = wcs.bounding_box.bounding_box(order="F")
    x, y = (x_low + x_high) / 2, (y_low + y_high) / 2
    (here, *_), (beside, *_) = (wcs.transform("detector", "alpha_beta", at, y) for at in (x, x + 1))
    return float(beside - here)


def along_slit(wcs: WCS, ra: float, dec: float) -> float:
    """Return how far a position [deg] is along the slit from its middle [pixel]."""
    alpha, *_ = wcs.transform("world", "alpha_beta", ra, dec, 0.0, with_bounding_box=False)
    return float(alpha) / pixel_size(wcs)
