"""Flux calibration: rows of conversion tables, and how sensitivity changes with time."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid

Table = NDArray[np.void]

DAYS_PER_YEAR = 365.0
"""The unit of time that tables of coefficients are made with."""

MICROJANSKY_PER_SQUARE_ARCSEC = 1e12 * (math.pi / 648000) ** 2
"""One MJy/sr [µJy/arcsec²]."""

ANY_SUBARRAY = "GENERIC"
"""What a table calls sub-arrays that it does not name."""


def matching_row(table: Table, elements: Mapping[str, str]) -> int | None:
    """Return the row of a table that belongs to the optical elements in use.

    Only those elements count that the table has a column for. Where no row names the sub-array, the
    row of the sub-array GENERIC is taken.

    Parameters
    ----------
    table : structured array (n_row,)
        A conversion table.
    elements : mapping
        Names of elements, such as ``filter``, ``pupil``, ``subarray``, and what is in use.

    Returns
    -------
    int or None
        Number of the row; None if there is none.

    Raises
    ------
    ReferenceInvalid
        Several rows match.
    """
    asked = {name: value for name, value in elements.items() if name in _columns(table)}
    rows = _rows(table, asked)
    if not rows and "subarray" in asked:
        rows = _rows(table, {**asked, "subarray": ANY_SUBARRAY})
    if len(rows) > 1:
        shown = ", ".join(f"{name} {value}" for name, value in asked.items())
        raise ReferenceInvalid(
            f"the conversion table has {len(rows)} rows for {shown or 'any exposure'}; keep one"
        )
    return rows[0] if rows else None


def value(table: Table, row: int, column: str) -> float:
    """Return a number of a table.

    Raises
    ------
    ReferenceInvalid
        The table has no such column.
    """
    columns = _columns(table)
    if column not in columns:
        raise ReferenceInvalid(
            f"the conversion table has no column {column}; found: {', '.join(columns)}"
        )
    return float(table[columns[column]][row])


def factor(conversion: float, remaining_sensitivity: float = 1.0) -> float:
    """Return what the flux calibration multiplies a count rate by [MJy/sr/(DN/s)].

    Parameters
    ----------
    conversion : float
        Conversion at the epoch the table is made for [MJy/sr/(DN/s)].
    remaining_sensitivity : float
        Sensitivity at the time of the exposure over that at the epoch.
    """
    return conversion / remaining_sensitivity


def linear(days: float, *, loss_per_year: float) -> float:
    """Return the sensitivity left after a linear loss; 1 at the epoch.

    Parameters
    ----------
    days : float
        Time since the epoch [d].
    loss_per_year : float
        Fraction of the sensitivity lost in 365 days.
    """
    return 1.0 - loss_per_year * days / DAYS_PER_YEAR


def exponential(days: float, *, amplitude: float, tau: float, constant: float) -> float:
    """Return the sensitivity left after an exponential loss towards a constant.

    Parameters
    ----------
    days : float
        Time since the epoch [d].
    amplitude, constant : float
        ``amplitude exp(-days / tau) + constant``.
    tau : float
        Time in which the loss slows down by e [d].
    """
    return amplitude * math.exp(-days / tau) + constant


def power_law(days: float, *, year_1_value: float, softening: float, exponent: float) -> float:
    """Return the sensitivity left after a loss by a softened power law.

    Parameters
    ----------
    days : float
        Time since the epoch [d].
    year_1_value : float
        The sensitivity after 365 days.
    softening : float
        Time that keeps it finite at the epoch [d].
    exponent : float
        Exponent of ``(days + softening) / (365 + softening)``.
    """
    return year_1_value * math.pow((days + softening) / (DAYS_PER_YEAR + softening), exponent)


def _rows(table: Table, wanted: Mapping[str, str]) -> list[int]:
    columns = _columns(table)
    match = np.ones(table.shape[0], np.bool_)
    for name, text in wanted.items():
        same = [_text(entry) == text.strip().upper() for entry in table[columns[name]]]
        match &= np.array(same, np.bool_)
    return [int(row) for row in np.flatnonzero(match)]


def _columns(table: Table) -> dict[str, str]:
    """Return the columns' names as they are, by their names in lower case."""
    return {name.lower(): name for name in table.dtype.names or ()}


def _text(entry: Any) -> str:
    text = entry.decode("ascii") if isinstance(entry, bytes) else str(entry)
    return text.strip().upper()
