"""Weighted means of exposures on one grid, which mosaics and rectified spectra are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter
from calcore.flags import interpret
from calcore.kernels.combining import Sums, error
from calcore.kernels.drizzling import Drizzled, Drop
from calcore.model import Image, Meta
from calcore.model.mosaic import WeightType, drizzled, exposure_time, net, weights
from calcore.step import Room
from calcore.wcs.grid import PixelMap

GOOD_BITS = interpret("~DO_NOT_USE+NON_SCIENCE")
VARIANCES = ("var_rnoise", "var_poisson", "var_flat")
Float = NDArray[np.float32]


class Onto(Protocol):
    """A grid, and where pixels of exposures fall on it."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def map_from(self, wcs: Any, shape: tuple[int, int]) -> PixelMap:
        """Return where an exposure's pixels fall."""


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
        return error(list(self.variances.values())) if self.variances else None


@dataclass(frozen=True, kw_only=True)
class Averaging:
    """How exposures are averaged.

    Attributes
    ----------
    drop : Drop
        What their pixels are shrunk to.
    weight_type
        See `calcore.model.mosaic.weights`.
    good_bits : int
        Flags that do not harm.
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
    fill: float = np.nan
    good_bits: int = GOOD_BITS
    variances: bool = True
    variance_divisor: float = 1.0
    context: bool = True
    flags: bool = False

    def of(self, members: Sequence[Image], onto: Onto, room: Room) -> Average:
        """Return the mean of exposures on a grid."""
        there = [name for name in VARIANCES if all(getattr(m, name) is not None for m in members)]
        names = there if self.variances else []
        sums = Sums.over(onto.shape, len(members), len(names), self.context, self.flags)

        def planes_of(part: Image) -> list[Float]:
            # Averaging square roots is what makes errors add up over correlated pixels.
            return [net(part), *(np.sqrt(getattr(part, name)) for name in names)]

        def weight_of(part: Image) -> Float:
            return weights(part, self.weight_type, self.good_bits)

        def part_of(member: Image) -> Drizzled:
            places = onto.map_from(member.wcs, member.data.shape)
            return drizzled(
                member, planes_of, weight_of, places, onto.shape, self.drop,
                count=1 + len(names), flags=self.flags,
            )  # fmt: skip

        for number, part in enumerate(room.ahead(part_of, members)):
            sums.add(part, number, *self._variance_weight(members[number].meta, names), room.each)
            del part  # its memory is wanted while the next is made
        data, wht, variances = sums.result(self.fill)
        variances /= np.float32(self.variance_divisor)
        return Average(data, wht, dict(zip(names, variances, strict=True)), sums.dq, sums.context)

    def _variance_weight(self, meta: Meta, names: list[str]) -> tuple[float, int | None]:
        """Return the weight of an exposure in the mean of variances, or whose inverse it is."""
        if self.weight_type == "ivm" and "var_rnoise" in names:
            return 1.0, names.index("var_rnoise")
        return (exposure_time(meta) if self.weight_type == "exptime" else 1.0), None


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
