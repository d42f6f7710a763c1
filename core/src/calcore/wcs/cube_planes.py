"""The planes of a cube: evenly spaced in wavelength, or where a table has them."""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from astropy.modeling.models import Scale, Shift, Tabular1D
from numpy.typing import NDArray

from calcore.kernels.cube_drizzle import Planes
from calcore.wcs import nodes
from calcore.wcs.nodes import Node

TABLE, COLUMN = "WCS-TABLE", "wavelength"
"""Where a file has the wavelengths of planes that are not evenly spaced."""


@dataclass(frozen=True, kw_only=True)
class EvenPlanes:
    """Planes of one thickness: `count`, from `shortest_um` in steps of `step_um` [um]."""

    count: int
    shortest_um: float
    step_um: float

    @property
    def planes(self) -> Planes:
        """Their middles and thicknesses."""
        middles = self.shortest_um + self.step_um * np.arange(self.count, dtype=np.float64)
        return Planes(middles, np.full(self.count, self.step_um))

    @property
    def transform(self) -> Any:
        """The astropy model from the number of a plane to its wavelength [um]."""
        return Scale(self.step_um) | Shift(self.shortest_um)

    @property
    def node(self) -> Node:
        """The same as files have it."""
        return nodes.then(nodes.scale(self.step_um), nodes.shift(self.shortest_um))

    @property
    def keywords(self) -> dict[str, Any]:
        """What the third axis' FITS keywords say, in lower case."""
        return {"crval3": self.shortest_um, "cdelt3": self.step_um, "ctype3": "WAVE"}

    @property
    def rows(self) -> None:
        """There is no table of them in a file."""
        return


@dataclass(frozen=True, eq=False, kw_only=True)
class TabledPlanes:
    """Planes whose middles a table has, which ascend [um]; each is as thick as the next one is away.

    Their file has the table: Greisen et al. 2006, A&A 446, 747, section 6.
    """

    table: NDArray[np.float64]

    @property
    def count(self) -> int:
        """How many they are."""
        return self.table.size

    @property
    def planes(self) -> Planes:
        """Their middles and thicknesses."""
        last = 2 * self.table[-1] - self.table[-2]
        return Planes(self.table, np.diff(self.table, append=last))

    @property
    def transform(self) -> Any:
        """The astropy model from the number of a plane to its wavelength [um]."""
        return Tabular1D(
            points=np.arange(self.count),
            lookup_table=self.table,
            bounds_error=False,
            fill_value=None,
        )

    @property
    def node(self) -> Node:
        """The same as files have it."""
        return nodes.transform(
            "tabular-1.2.0", points=[np.arange(self.count)], lookup_table=self.table,
            bounds_error=False, method="linear",
        )  # fmt: skip

    @property
    def keywords(self) -> dict[str, Any]:
        """What the third axis' FITS keywords say, in lower case."""
        return {
            "crval3": 1.0,
            "cdelt3": None,
            "ctype3": "WAVE-TAB",
            "ps3_0": TABLE,
            "ps3_1": COLUMN,
        }

    @property
    def rows(self) -> NDArray[np.void]:
        """The table of them in a file: one row, of an array (n_plane, 1)."""
        row: NDArray[np.void] = np.empty(1, [(COLUMN, "f4", (self.count, 1))])
        row[COLUMN][0, :, 0] = self.table
        return row


Spacing = EvenPlanes | TabledPlanes
"""Where the planes of a cube lie, counted from 0."""


def even(wavelengths_um: tuple[float, float], step_um: float) -> EvenPlanes:
    """Return planes of one thickness from the shortest to the longest wavelength [um]."""
    shortest, longest = wavelengths_um
    count = ceil((longest - shortest) / step_um)
    return EvenPlanes(count=count, shortest_um=shortest + step_um / 2, step_um=step_um)


def enclosing(wavelengths_um: tuple[float, float], table: NDArray[np.float64]) -> slice:
    """Return which of a table's ascending wavelengths enclose a range of them [um].

    They begin at the last one that is not above the shortest, and end at the first not below the
    longest, as far as there are such.
    """
    shortest, longest = wavelengths_um
    first = max(int(np.searchsorted(table, shortest, "right")) - 1, 0)
    return slice(first, int(np.searchsorted(table, longest)) + 1)
