"""Charge that arrives beside less charge: some of it ends up there.

The charge that a pixel holds repels what arrives ("brighter-fatter"): a part in proportion to the
contrast goes to the neighbour (Plazas et al. 2018, PASP 130, 065004; Goudfrooij et al. 2024, PASP
136, 014503).
"""

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Parts = tuple[tuple[slice, slice], ...]


def migrated(
    arrived: Float32,
    held: Float32,
    active: NDArray[np.bool_],
    full_well_electron: float,
    share: float,
    parts: Parts | None = None,
) -> Float32:
    """Return where charge ends up that arrives.

    Parameters
    ----------
    arrived : array (ny, nx)
        Charge that arrives [electron].
    held : array (ny, nx)
        Charge that is there [electron].
    active : array of bool (ny, nx)
        Light-sensitive pixels; others neither give nor take.
    full_well_electron : float
        Charge of a full pixel [electron].
    share : float
        Part that goes to each empty neighbour by a side from beside a full pixel.
    parts : pairs of slices, optional
        What is together on the detector; all of it, if not given.

    Returns
    -------
    array (ny, nx)
        The same charge in all.
    """
    result = arrived.copy()
    factor = np.float32(share / full_well_electron)
    for part in parts or ((slice(None), slice(None)),):
        for turned in (False, True):
            planes = [values[part] for values in (result, arrived, held)]
            out, new, full = (plane.T if turned else plane for plane in planes)
            light = active[part].T if turned else active[part]
            contrast = (full[1:] - full[:-1]) * factor * (light[1:] & light[:-1])
            moved = np.where(contrast > 0, new[1:], new[:-1]) * np.clip(contrast, -0.25, 0.25)
            out[:-1] += moved
            out[1:] -= moved
    return result
