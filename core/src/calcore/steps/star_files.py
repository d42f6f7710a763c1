"""Stars of an image as files of the user give them."""

from pathlib import Path

import numpy as np

from calcore.kernels.sources import Stars
from calcore.userfiles import read_catalogue


def read_stars(path: Path | str) -> Stars:
    """Return the stars of an image from a table of ``x`` and ``y``, or ``xcentroid``, ``ycentroid``.

    All count alike, and nothing is known of their light.

    Raises
    ------
    FileInvalid
        The file cannot be read, or lacks a column.
    """
    x, y = read_catalogue(str(path), ("x", "xcentroid"), ("y", "ycentroid"))
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    one, unknown = np.ones_like(x), np.full_like(x, np.nan)
    return Stars(x, y, unknown, one, unknown)
