"""Light of a source without a slit: along the traces of its spectra."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid
from calcore.kernels.trace_mask import near_traces, turned
from calcore.model import Ramp
from calcore.model.reference import SpectralTraces

_WING = 16.0  # [pixel] on either side of a trace


def light_of(traces: SpectralTraces, ramp: Ramp) -> NDArray[np.bool_]:
    """Return the pixels (ny, nx) of a ramp that traces light.

    Raises
    ------
    KeywordMissing, KeywordInvalid
        Where the wheel rests that turns the traces is not known.
    ReferenceInvalid
        The reference does not hold what it should.
    """
    away = ramp.meta.number("instrument.pupil_position") - float(traces.commanded)
    row, column = ramp.meta.subarray_origin
    origin = column, row - float(traces.first_row)
    found = [turned(*_points(one), away) - origin for one in traces.traces]
    return near_traces(ramp.data.shape[-2:], found, _WING)


def _points(one: Any) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Return x and y (n, 2) of a trace, and of its pivot."""
    try:
        points = np.asarray(one["trace"], float)
        pivot = float(one["pivot_x"]), float(one["pivot_y"])
    except (KeyError, TypeError, ValueError):
        points, pivot = np.empty(0), (0.0, 0.0)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ReferenceInvalid(
            f"a trace of the {SpectralTraces.type} reference lacks its trace of shape (n, 2), or a "
            "number pivot_x or pivot_y; give another file"
        )
    return points, pivot
