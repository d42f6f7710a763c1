"""The picture frame: edges of a detector that glow as its temperature drifts."""

import numpy as np
from numpy.typing import NDArray

from calcore.errors import DataUnusable

Values = NDArray[np.float32]
Pixels = NDArray[np.bool_]

# Rows and columns of a full frame, counted from 0: inside of FIRST and END, reference pixels aside,
# and outside of INNER_FIRST and INNER_END lies the frame. MIDDLE is far enough from it.
_FIRST, _INNER_FIRST, _INNER_END, _END = 4, 75, 1985, 2043
_MIDDLE = slice(76, 1984)


def regions(shape: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """Return which pixels of a full frame (ny, nx) lie in the picture frame, and which in the middle."""
    edge, middle = np.zeros(shape, bool), np.zeros(shape, bool)
    edge[_FIRST:_END, _FIRST:_END] = True
    edge[_INNER_FIRST:_INNER_END, _INNER_FIRST:_INNER_END] = False
    middle[_MIDDLE, _MIDDLE] = True
    return edge, middle


@np.errstate(invalid="ignore", over="ignore")  # samples that are no number stay what they are
def subtract_picture_frame(data: Values, glow: Values, usable: Pixels) -> Values:
    """Subtract the picture frame that has grown since each integration's first group.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal of full frames [DN]. Samples that are no number do not count, and stay so.
    glow : float32 (ny, nx)
        The picture frame, of any strength and on any level [DN/s].
    usable : bool (ny, nx)
        True for pixels that show background only.

    Returns
    -------
    float32 (n_int, n_group, ny, nx)
        Signal [DN]; the first group of each integration is as it was.

    Raises
    ------
    DataUnusable
        No pixel of the edges or of the middle shows background, or the reference is the same in both.

    Notes
    -----
    The medians of edges and middle of a group's difference to the first fix scale and level of the
    reference (JWST documentation, picture_frame step, after M. Regan and E. Bergeron).
    """
    edge, middle = (region & usable & np.isfinite(glow) for region in regions(glow.shape))
    if not edge.any() or not middle.any():
        raise DataUnusable(
            "picture_frame finds no background at the edges or in the middle of the frame; raise "
            "n_sigma, or skip it"
        )
    at_edge, in_middle = np.median(glow[edge]), np.median(glow[middle])
    if at_edge == in_middle:
        raise DataUnusable("the pictureframe reference is the same at the edges and in the middle")
    known = np.where(np.isfinite(glow), glow, at_edge)
    out = data.copy()
    for raw, new in zip(data, out, strict=True):
        for group in range(1, len(raw)):
            difference = raw[group] - raw[0]
            level, center = (_median(difference[part]) for part in (edge, middle))
            if not np.isfinite(level + center):
                continue
            scale = (center - level) / (in_middle - at_edge)
            new[group] -= scale * (known - at_edge) + level
    return out


def _median(values: Values) -> np.float32:
    """Return the median of those values that are numbers; NaN if none is."""
    values = values[np.isfinite(values)]
    return np.float32(np.median(values)) if values.size else np.float32(np.nan)
