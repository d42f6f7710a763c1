"""Numbers that an analogue-digital converter gives too high or too low, by what the number is.

The deviation from a straight line (integral non-linearity) of the near-infrared detectors' converters
repeats every 1024 DN and grows with the number (arXiv 2606.11983). It acts on each read, before
reads are averaged into a group.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x1, F4x4, kernel

Values = NDArray[np.float32]


@kernel
def _subtract(data: F4x4, deviation: F4x1, frames: int, cycle: int, out: F4x4) -> None:
    integrations, groups, rows, columns = data.shape
    top = deviation.size - 1
    for i in range(integrations):
        for g in range(groups):
            before, after = max(g - 1, 0), min(g + 1, groups - 1)
            apart = max(after - before, 1) * cycle
            for y in range(rows):
                for x in range(columns):
                    value = data[i, g, y, x]
                    step = 0.0
                    if frames > 1:
                        step = (data[i, after, y, x] - data[i, before, y, x]) / apart
                        if not np.isfinite(step):
                            step = 0.0
                    total = 0.0
                    for k in range(frames):
                        place = value + (k - (frames - 1) / 2) * step
                        if not place > 0:  # NaN, too
                            total += deviation[0]
                        elif place >= top:
                            total += deviation[top]
                        else:
                            low = int(place)
                            part = place - low
                            total += (1 - part) * deviation[low] + part * deviation[low + 1]
                    out[i, g, y, x] = value - total / frames


def subtract_deviation(data: Values, deviation: Values, *, frames: int = 1, gap: int = 0) -> Values:
    """Subtract what a converter adds to its numbers.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Raw numbers [DN]; NaN stays NaN.
    deviation : float32 (n)
        What a number is too high by [DN], for the numbers 0 to n - 1. Others, and what lies between,
        are interpolated; below and above stand the first and the last.
    frames, gap : int
        Reads averaged into a group, and reads dropped between groups. The reads of an average are
        told from the rise between the groups around it.

    Returns
    -------
    float32 (n_int, n_group, ny, nx)
    """
    out = np.empty_like(data)
    _subtract(data, deviation, frames, frames + gap, out)
    return out
