"""The pixels of a slit's image that count in a spectrum, short gaps filled."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels.cube_extraction import bridged
from calcore.model.exposure import Image
from calcore.steps._slit_apertures import Traced

F8 = NDArray[np.float64]


class Pixels(NamedTuple):
    """Values of one integration, variances by origin, which count, which were filled: (n_row, n_column)."""

    data: NDArray[np.float32]
    variances: tuple[NDArray[np.float32], ...]
    good: NDArray[np.bool_]
    filled: NDArray[np.bool_]


def pixels_of(image: Image, trace: Traced, longest_gap: int) -> Iterator[Pixels]:
    """Yield the pixels of each integration; gaps of up to `longest_gap` rows are filled.

    Pixels that are NaN in values or variances, or flagged DO_NOT_USE, do not count.
    """
    empty = np.zeros_like(image.data)
    known = (image.var_poisson, image.var_rnoise, image.var_flat)
    if all(plane is None for plane in known):
        known = (np.asarray(image.err) ** 2, None, None)
    planes = [trace.turned(empty if plane is None else plane) for plane in (image.data, *known)]
    flags = trace.turned(image.dq)
    if planes[0].ndim == 2:
        planes, flags = [plane[None] for plane in planes], flags[None]
    for integration, dq in enumerate(flags):
        data, *variances = (np.ascontiguousarray(plane[integration]) for plane in planes)
        bad = ((dq & np.uint32(DQ.DO_NOT_USE)) != 0) | ~np.isfinite(data)
        for variance in variances:
            bad |= ~np.isfinite(variance)
        filled = np.zeros(bad.shape, np.bool_)
        if longest_gap and bad.any():
            data, variances, bad, filled = _filled(data, variances, bad, longest_gap)
        yield Pixels(data, tuple(variances), ~bad, filled)


def _filled(
    data: NDArray[np.float32],
    variances: list[NDArray[np.float32]],
    bad: NDArray[np.bool_],
    longest: int,
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return planes with gaps along columns bridged."""
    hole = bad[:, None]
    values, first, left, filled = bridged(data[:, None], variances[0][:, None], hole, longest)
    others = [
        bridged(part[:, None], part[:, None], hole, longest)[0][:, 0] for part in variances[1:]
    ]
    return values[:, 0], [first[:, 0], *others], left[:, 0], filled[:, 0]
