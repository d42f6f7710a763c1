"""The low-resolution spectrometer with and without its slit, from the reference files that describe it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import UnivariateSpline

from calcore.errors import ReferenceInvalid
from calcore.wcs.dispersed_slit import Trace
from calcore.wcs.imaging import Box
from calcore_miri.references import SlitTrace

SMOOTHING = 0.002
"""Sum of squared residuals that the table's spline may leave [pixel², um²]."""
REFERENCE_COLUMNS = 4
"""Columns at the left of the detector that no light reaches."""
_CORNERS = range(4)

Place = tuple[float, float]


@dataclass(frozen=True)
class Mode:
    """What the slit makes different.

    Attributes
    ----------
    origin : (str, str)
        Names of column and row of the slit's middle in the reference.
    box : callable
        Takes the table, the slit's middle, the shape and the corner of the sub-array.
    dithered : bool
        Whether the header is told where in the slit the target is.
    """

    origin: tuple[str, str]
    box: Callable[[NDArray[np.void], Place, tuple[int, int], tuple[int, int]], Box]
    dithered: bool = False


def _slit_box(
    table: NDArray[np.void], middle: Place, shape: tuple[int, int], corner: tuple[int, int]
) -> Box:
    """Return the box around the slit's image in all colours."""
    del shape, corner
    x, y = middle
    columns = np.stack([table[f"x{corner}"] for corner in _CORNERS])
    left, right = np.floor(x + columns.min()) - 0.5, np.ceil(x + columns.max()) + 0.5
    rows = table["y_center"]
    return (float(left), float(right)), (float(y + rows.min()), float(y + rows.max()))


def _open_box(
    table: NDArray[np.void], middle: Place, shape: tuple[int, int], corner: tuple[int, int]
) -> Box:
    """Return the box around all columns and the rows of all colours."""
    rows = np.stack([table[f"y{corner}"] for corner in _CORNERS])
    low = np.floor(middle[1] + rows.min()) - 0.5
    high = np.ceil(middle[1] + rows.max()) + 0.5
    left = max(REFERENCE_COLUMNS - corner[1], 0) - 0.5
    return (left, shape[1] - 0.5), (float(low), float(high))


MODES: Mapping[str, Mode] = {
    "MIR_LRS-FIXEDSLIT": Mode(("x_ref", "y_ref"), _slit_box, dithered=True),
    "MIR_LRS-SLITLESS": Mode(("x_ref_slitless", "y_ref_slitless"), _open_box),
}


def middle_of(reference: SlitTrace, mode: Mode, corner: tuple[int, int]) -> Place:
    """Return column and row of the slit's middle in a sub-array, from 0.

    Parameters
    ----------
    reference : SlitTrace
        Says it for the full frame, from 1.
    mode : Mode
        Which slit.
    corner : (int, int)
        Row and column of the sub-array's first pixel in the full frame, from 0.

    Raises
    ------
    ReferenceInvalid
        The reference does not say it.
    """
    places = [reference.meta.get(name) for name in mode.origin]
    if None in places:
        raise ReferenceInvalid(
            "reference specwcs does not say where the slit lies (keywords IMX and IMY, or IMXSLTL "
            "and IMYSLTL without a slit); give another file"
        )
    x, y = (float(place) - 1 for place in places)
    return x - corner[1], y - corner[0]


def trace_of(reference: SlitTrace) -> Trace:
    """Return the trace of the slit's middle, smoothed by splines.

    Parameters
    ----------
    reference : SlitTrace
        Holds it as a table.

    Raises
    ------
    ReferenceInvalid
        Rows are missing or occur twice, or wavelengths do not rise or fall all along the trace.
    """
    table = reference.table[np.argsort(reference.table["y_center"])]
    rows = np.asarray(table["y_center"], np.float64)
    if len(rows) < 4 or not (np.diff(rows) > 0).all():
        raise ReferenceInvalid(
            f"reference specwcs: its table has {len(rows)} rows, some of them perhaps twice; it takes "
            "four or more different ones. Give another file"
        )
    columns, wavelengths = (
        UnivariateSpline(rows, np.asarray(table[name], np.float64), s=SMOOTHING)(rows)
        for name in ("x_center", "wavelength")
    )
    steps = np.diff(wavelengths)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise ReferenceInvalid(
            "reference specwcs: wavelengths neither rise nor fall all along the trace; give another file"
        )
    return Trace(rows=rows, columns=columns, wavelengths=wavelengths)
