"""What NIRSpec answers to core's questions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ModeNotSupported
from calcore.hooks import AskedReferences, hookimpl
from calcore.model import Meta

_SPECTRA = frozenset({"NRS_FIXEDSLIT", "NRS_BRIGHTOBJ", "NRS_MSASPEC", "NRS_IFU"})


@hookimpl
def calcore_mask(meta: Meta, references: AskedReferences) -> NDArray[np.bool_] | None:
    """Return where spectra of the open slits, shutters or slices fall, bool (ny, nx).

    None for exposures of other kinds.

    Raises
    ------
    ModeNotSupported
        They leave nothing of the sub-array.
    """
    if meta.get("instrument.name") != "NIRSPEC" or meta.exposure_type not in _SPECTRA:
        return None
    # Few runs ask for masks, and astropy's models take their time.
    from calcore_nirspec.scene import lit_pixels  # noqa: PLC0415

    row, column = meta.subarray_origin
    whole: Any = lit_pixels(meta, references)
    ny, nx = meta.whole("subarray.ysize"), meta.whole("subarray.xsize")
    lit: NDArray[np.bool_] = whole[row : row + ny, column : column + nx]
    if lit.all():
        raise ModeNotSupported(
            f"spectra of {meta.exposure_type} fall on all pixels of {meta.subarray}, so that none "
            "shows noise alone: set mask_science_regions to false"
        )
    return lit
