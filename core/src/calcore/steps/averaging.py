"""Weighted means of exposures on one grid, which mosaics and rectified spectra are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter
from calcore.flags import interpret
from calcore.kernels.combining import Sums
from calcore.kernels.drizzling import Drizzled, Drop, drizzle
from calcore.model import Image, Meta
from calcore.model.mosaic import WeightType, background, exposure_time, weights
from calcore.step import Room

GOOD_BITS = interpret("~DO_NOT_USE+NON_SCIENCE")
VARIANCES = ("var_rnoise", "var_poisson", "var_flat")
Float = NDArray[np.float32]


class Onto(Protocol):
    """A grid, and where pixels of exposures fall on it."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def map_from(self, wcs: Any, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return x and y (2, ny, nx) of an exposure's pixels, counted from 0; NaN for none."""


@dataclass(frozen=True, eq=False)
class Average:
    """A mean of exposures: planes of a mosaic as `calcore.model.Mosaic` has them."""

    data: Float
    wht: Float
    variances: dict[str, Float]
    dq: NDArray[np.uint32] | None
    con: NDArray[np.int32] | None

    @property
    def err(self) -> Float | None:
        """Standard deviation; None if no variance is known."""
        return np.sqrt(np.sum(list(self.variances.values()), axis=0)) if self.variances else None


@dataclass(frozen=True, kw_only=True)
class Averaging:
    """How exposures are averaged.

    Attributes
    ----------
    drop : Drop
        What their pixels are shrunk to.
    weight_type
        See `calcore.model.mosaic.weights`.
    fill : float
        Value where nothing fell.
    variances : bool
        Whether variances are combined; those that all exposures have.
    variance_divisor : float
        What variances are divided by, since pixels of the grid are of another size.
    context, flags : bool
        Whether is kept which exposures contributed, and whether their flags are joined.
    """

    drop: Drop
    weight_type: WeightType | None
    fill: float
    variances: bool = True
    variance_divisor: float = 1.0
    context: bool = True
    flags: bool = False

    def of(self, members: Sequence[Image], onto: Onto, room: Room) -> Average:
        """Return the mean of exposures on a grid."""
        names = [
            name
            for name in VARIANCES
            if self.variances and all(getattr(member, name) is not None for member in members)
        ]
        sums = Sums.over(onto.shape, len(members), len(names), self.context, self.flags)

        def part_of(member: Image) -> Drizzled:
            member = member.loaded()
            planes = np.empty((1 + len(names), *member.data.shape), np.float32)
            np.subtract(member.data, np.float32(background(member.meta)), out=planes[0])
            # Averaging square roots is what makes errors add up over correlated pixels.
            for name, root in zip(names, planes[1:], strict=True):
                np.sqrt(getattr(member, name), out=root)
            weight = weights(member, self.weight_type, GOOD_BITS)
            places = onto.map_from(member.wcs, member.data.shape)
            flags = member.dq if self.flags else None
            return drizzle(planes, weight, places, onto.shape, self.drop, flags)

        for number, part in enumerate(room.ahead(part_of, members)):
            weight = self._variance_weight(members[number].meta, part.planes[1:], names)
            sums.add(part, number, weight)
        data, wht, variances = sums.result(self.fill)
        scaled = [plane / np.float32(self.variance_divisor) for plane in variances]
        return Average(data, wht, dict(zip(names, scaled, strict=True)), sums.dq, sums.context)

    def _variance_weight(self, meta: Meta, roots: Float, names: list[str]) -> Float | float:
        """Return the weight of an exposure in the mean of variances."""
        if self.weight_type == "ivm" and "var_rnoise" in names:
            with np.errstate(divide="ignore"):
                return np.asarray(1 / roots[names.index("var_rnoise")] ** 2, np.float32)
        return exposure_time(meta) if self.weight_type == "exptime" else 1.0


def fill_value(step: str, text: str) -> float:
    """Return the value that a step's parameter `fillval` asks for where nothing fell.

    Raises
    ------
    BadParameter
        It is no number.
    """
    if text.upper() in {"NAN", "INDEF"}:
        return np.nan
    try:
        return float(text)
    except ValueError:
        raise BadParameter(f"{step}.fillval must be NAN, INDEF or a number, not {text!r}") from None
