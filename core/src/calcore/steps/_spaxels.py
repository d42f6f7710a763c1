"""The spaxels of a cube that count in a spectrum, short gaps filled."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calcore.errors import CalcoreError
from calcore.flags import DQ
from calcore.kernels.cube_extraction import Sums, bridged
from calcore.model.cube import Cube

F8 = NDArray[np.float64]


class Spaxels(NamedTuple):
    """Values, their errors, which count, and which were filled (n_plane, ny, nx)."""

    data: NDArray[np.float32]
    err: NDArray[np.float32]
    seen: NDArray[np.bool_]
    filled: NDArray[np.bool_]


def spaxels_of(cube: Cube, *, heed: bool, longest_gap: int) -> Spaxels:
    """Return all spaxels that something fell on; if flags and NaN are heeded, only good ones.

    Then gaps of up to `longest_gap` planes are filled.

    Raises
    ------
    CalcoreError
        The cube does not say where it lies.
    """
    if cube.wcs is None:
        raise CalcoreError("the cube has no world coordinates; run cube_build")
    data, err = np.asarray(cube.data), np.asarray(cube.err)
    seen = np.ones(data.shape, np.bool_) if cube.wmap is None else np.asarray(cube.wmap) > 0
    if not heed:
        return Spaxels(data, err, seen, np.zeros(seen.shape, np.bool_))
    flagged = (np.asarray(cube.dq) & np.uint32(DQ.DO_NOT_USE)) != 0
    bad = ~seen | flagged | ~np.isfinite(data) | ~np.isfinite(err)
    data, err, bad, filled = bridged(data, err, bad, longest_gap)
    return Spaxels(data, err, ~bad, filled)


def measured(sums: Sums, least: F8) -> Sums:
    """Return sums without those over fewer spaxels than `least`, or none (n_plane,)."""
    few = (sums.area < least) | (sums.area == 0)
    return sums._replace(total=np.where(few, np.nan, sums.total))


def unmeasured_as_zero(sums: Sums, whole: F8) -> Sums:
    """Return sums with zeros where there are no spaxels, said to be of a `whole` aperture."""
    none = sums.area == 0
    zeros = Sums(*(np.where(none, 0.0, part) for part in sums))
    return zeros._replace(area=np.where(none, whole, sums.area))


def flags_of(
    spaxels: Spaxels, unusable: NDArray[np.bool_], place: tuple[float, float], radius: F8
) -> NDArray[np.uint32]:
    """Return flags of each plane (n_plane,): FLUX_ESTIMATED with filled spaxels within `radius`."""
    rows, columns = np.indices(spaxels.seen.shape[1:])
    apart = np.hypot(columns - place[0], rows - place[1])
    filled = (spaxels.filled & (apart <= radius[:, None, None])).any((1, 2))
    flags = unusable * np.uint32(DQ.DO_NOT_USE) | filled * np.uint32(DQ.FLUX_ESTIMATED)
    return np.asarray(flags, np.uint32)
