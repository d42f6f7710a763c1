"""What NIRSpec answers to core's questions."""

import numpy as np
from numpy.typing import NDArray

from calcore.hooks import hookimpl
from calcore.model import Meta

# Rows of the full frame, from 0, on which the fixed slits' spectra fall (JWST documentation of the
# step clean_flicker_noise).
_FIRST, _END = 922, 1116


@hookimpl
def calcore_mask(meta: Meta) -> NDArray[np.bool_] | None:
    """Return the rows on which spectra of the fixed slits fall, bool (ny, nx).

    None where other slits are open, or slices, whose geometry is not known; and in sub-arrays that
    show nothing beside these rows.
    """
    if meta.get("instrument.name") != "NIRSPEC" or meta.get("exposure.type") != "NRS_FIXEDSLIT":
        return None
    row, _ = meta.subarray_origin
    lit = np.zeros((meta.whole("subarray.ysize"), meta.whole("subarray.xsize")), bool)
    lit[max(_FIRST - row, 0) : max(_END - row, 0)] = True
    return None if lit.all() else lit
