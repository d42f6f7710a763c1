"""Pixels of parts of an image in ascending order of their values, from those of the whole.

The whole is sorted once. A part is then known from itself or, if that is less, from what the whole has
beside it: numbers, sums and sums of squares of what lies between two values are differences.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x1, F4x2, F8x1, I8x3, kernel
from calcore.kernels.sorting import ascending
from calcore.kernels.spans import Spans, merged

Float = NDArray[np.float64]


@kernel
def _sums(values: F4x1, origin: float, out_first: F8x1, out_second: F8x1) -> None:
    first, second = 0.0, 0.0
    out_first[0] = out_second[0] = 0.0
    for k in range(values.size):
        offset = values[k] - origin
        first += offset
        second += offset * offset
        out_first[k + 1], out_second[k + 1] = first, second


@dataclass(frozen=True, eq=False)
class Ascending:
    """Values in ascending order, and the sums of those before each.

    Attributes
    ----------
    values : float32 (n,)
        None is NaN.
    origin : float
        Sums are those of differences to this, so that nothing is lost when they are squared.
    first, second : float64 (n + 1,)
        Sums of differences, and of their squares.
    """

    values: NDArray[np.float32]
    origin: float
    first: Float
    second: Float

    @classmethod
    def of(cls, values: NDArray[np.float32], origin: float | None = None) -> "Ascending":
        """Return values in order; without an origin, about the one in their midst."""
        values = ascending(values)
        if origin is None:
            origin = float(values[values.size // 2]) if values.size else 0.0
        first, second = np.empty((2, values.size + 1))
        _sums(values, origin, first, second)
        return cls(values, origin, first, second)

    def deviation(self, start: int, stop: int) -> float:
        """Return the standard deviation of the values from one place to before another."""
        number = stop - start
        mean = (self.first[stop] - self.first[start]) / number
        square = (self.second[stop] - self.second[start]) / number - mean**2
        return float(np.sqrt(max(square, 0.0)))

    def mean(self, part: slice) -> float:
        """Return the mean of some values."""
        total = float(self.first[part.stop] - self.first[part.start])
        mean: float = self.origin + total / (part.stop - part.start)
        return mean

    def clipped(self, sigma: float, rounds: int) -> slice:
        """Return the values that survive clipping about the median, at so many standard deviations."""
        low, high = 0, self.values.size
        for _ in range(rounds):
            if low == high:
                break
            centre, reach = self.middle(low, high), sigma * self.deviation(low, high)
            start = max(low, int(_searched(self.values, np.float64(centre - reach), "left")))
            stop = min(high, int(_searched(self.values, np.float64(centre + reach), "right")))
            if (start, stop) == (low, high):
                break
            low, high = start, stop
        return slice(low, high)

    def middle(self, start: int, stop: int) -> float:
        """Return the median of the values from one place to before another."""
        first, second = (start + stop - 1) // 2, (start + stop) // 2
        return 0.5 * (float(self.values[first]) + float(self.values[second]))


@dataclass(frozen=True, eq=False)
class Ordered:
    """Pixels in ascending order: those of `held`, but for those of `without`."""

    held: Ascending
    without: Ascending | None = None

    def below(self, limits: Any, *, through: bool = False) -> NDArray[np.intp]:
        """Return how many values are less than each limit, or equal to it at most."""
        side: Any = "right" if through else "left"
        limits = np.asarray(limits, np.float64)
        number = _searched(self.held.values, limits, side)
        if self.without is not None:
            number = number - _searched(self.without.values, limits, side)
        return number

    def ranked(self, rank: int) -> float:
        """Return the value that so many come before; there must be more than that."""
        values = self.held.values
        if self.without is not None:
            rank = bisect_left(
                range(values.size), rank + 1,
                key=lambda place: int(self.below(values[place], through=True)),
            )  # fmt: skip
        return float(values[rank])

    def moments(self, low: float, high: float) -> tuple[int, float, float]:
        """Return the number, mean and standard deviation of values from `low` through `high`."""
        number, first, second = self._between(self.held, low, high)
        if self.without is not None:
            less = self._between(self.without, low, high)
            number, first, second = number - less[0], first - less[1], second - less[2]
        if number == 0:
            return 0, np.nan, np.nan
        mean = first / number
        square = max(second - number * mean**2, 0.0)
        return number, self.held.origin + mean, float(np.sqrt(square / max(number - 1, 1)))

    @staticmethod
    def _between(part: Ascending, low: float, high: float) -> tuple[int, float, float]:
        start = int(_searched(part.values, np.float64(low), "left"))
        stop = int(_searched(part.values, np.float64(high), "right"))
        first, second = part.first[stop] - part.first[start], part.second[stop] - part.second[start]
        return stop - start, float(first), float(second)


def _searched(values: NDArray[np.float32], limits: Any, side: Any) -> NDArray[np.intp]:
    """Return where limits belong in ascending values.

    Limits of double precision are rounded for the search, to the side on which it stays the same.
    """
    single: Any = np.asarray(limits, np.float32)
    toward = np.float32(np.inf if side == "left" else -np.inf)
    off = single < limits if side == "left" else single > limits
    single = np.where(off, np.nextafter(single, toward), single)
    places: NDArray[np.intp] = np.asarray(np.searchsorted(values, single, side))
    return places


@dataclass(frozen=True, eq=False)
class OrderedImage:
    """An image whose pixels are in order.

    Attributes
    ----------
    image : float32 (ny, nx)
        NaN where a pixel does not count.
    whole : Ascending
        The values of all that count.
    """

    image: NDArray[np.float32]
    whole: Ascending

    @classmethod
    def of(cls, image: NDArray[np.float32]) -> "OrderedImage":
        """Return an image with the values of its pixels in order; NaN does not count."""
        return cls(image, Ascending.of(image[~np.isnan(image)]))

    def within(self, spans: Spans) -> Ordered:
        """Return the pixels within some spans."""
        few = 2 * int((spans[..., 1] - spans[..., 0]).sum()) <= self.image.size
        room = np.empty(self.image.size, np.float32)
        part = Ascending.of(room[: _collect(self.image, spans, few, room)], self.whole.origin)
        return Ordered(part) if few else Ordered(self.whole, part)


@kernel
def _collect(values: F4x2, spans: I8x3, within: bool, out: F4x1) -> int:
    """Fill in the values within the spans, or outside them, but for NaN; return their number."""
    rows, columns = values.shape
    starts, stops = np.empty(spans.shape[0] + 1, np.int64), np.empty(spans.shape[0] + 1, np.int64)
    found = 0
    for j in range(rows):
        count = merged(spans, j, starts, stops)
        if not within:
            # What lies between spans, and to their left and right.
            at = 0
            for k in range(count):
                starts[k], stops[k], at = at, starts[k], stops[k]
            starts[count], stops[count] = at, columns
            count += 1
        for k in range(count):
            for i in range(starts[k], stops[k]):
                value = values[j, i]
                if not np.isnan(value):
                    out[found] = value
                    found += 1
    return found
