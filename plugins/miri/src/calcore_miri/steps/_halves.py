"""How the two halves of a detector of the image slicers scatter light."""

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from calcore.errors import Doubtful, ReferenceInvalid
from calcore.model import Image
from calcore_miri.kernels.cross_artifact import Profile
from calcore_miri.references import CrossArtifact
from calcore_miri.wcs.slices import BANDS, HALVES

_COLUMNS = {
    "lorentz_fwhm": "lor_fwhm", "lorentz_scale": "lor_scale", "gauss_fwhm": "gau_fwhm",
    "gauss_offset": "gau_xoff", "gauss_scale": "gau_scale1", "outer_scale": "gau_scale2",
}  # fmt: skip
_MIDDLE = 516
"""First column of the right half."""


def seeing_columns(image: Image) -> NDArray[np.bool_]:
    """Tell which columns see light (nx,)."""
    x = np.arange(image.data.shape[1]) + image.meta.subarray_origin[1]
    detector = image.meta.facts.detector
    left, right = detector.reference_columns
    return np.asarray((x >= left) & (x < detector.columns - right))


def halves(image: Image, reference: CrossArtifact) -> Iterator[tuple[NDArray[np.bool_], Profile]]:
    """Return which columns are of each channel, and how its pixels scatter light.

    Of channels in two bands (BAND such as SHORT-MEDIUM) that is not known: there is a warning, and
    nothing is returned.

    Raises
    ------
    ReferenceInvalid
        A table has too few rows.
    """
    meta = image.meta
    if meta["instrument.band"] not in BANDS:
        warnings.warn(
            f"how light of BAND {meta['instrument.band']} is scattered along rows is not known, and "
            "it stays; what is between the channels is subtracted",
            Doubtful,
            stacklevel=3,
        )
        return
    row, column = meta.subarray_origin
    right = np.arange(image.data.shape[1]) + column >= _MIDDLE
    rows = slice(row, row + image.data.shape[0])
    for half, channel in zip((~right, right), HALVES[meta.detector], strict=True):
        name = f"ch{channel}{BANDS[meta['instrument.band']].lower()}"
        table = getattr(reference, name)
        if len(table) < rows.stop:
            raise ReferenceInvalid(
                f"reference mrsxartcorr: its table {name.upper()} has {len(table)} rows; the "
                f"exposure needs {rows.stop}; give another"
            )
        values = {
            ours: np.asarray(table[theirs][rows], np.float64) for ours, theirs in _COLUMNS.items()
        }
        yield half, Profile(**values)
