"""Profiles of spectral traces: cubic B-splines along a slit, fitted at each wavelength with those around it.

Neighbouring wavelengths see a source's profile at other phases of the pixels, so that together they tell
what none of them samples (Law & Clarke 2026, AJ 171, 304). Arrays have rows of one wavelength each, and
columns along the slit.
"""

from typing import NamedTuple

import numpy as np

from calcore.kernels._jit import B1x2, F8x1, F8x2, helper, kernel

_TURNS = 2
"""Fits; a row's signal is first normalised by its sum, which lacks bad pixels, and then by the fit."""
_GROWTH = 4
"""Windows grow to so many times their height while no sample falls into some interval."""
_STIFFNESS = 1e-4
"""Weight of a profile's curvature over that of a sample: it decides where there are no samples."""
_FLOOR = 1e-9
"""The same of a profile's size."""


class Profiles(NamedTuple):
    """Profiles of the rows of a slit.

    Attributes
    ----------
    start, step : float
        The first knot, and from one to the next, as places along the slit.
    coefficients : float64 (n_row, n_spline)
        Of each row's profile, whose sum over pixels is about 1; NaN without one.
    scales : float64 (n_row,)
        What the profile is to be multiplied with, to be the signal; NaN without one.
    """

    start: float
    step: float
    coefficients: F8x2
    scales: F8x1

    def at(self, places: F8x2) -> F8x2:
        """Return the profiles at places along the slit (n_row, n), NaN where these are; ends are held."""
        out = np.empty(places.shape, np.float64)
        _values(np.ascontiguousarray(places), self.coefficients, self.start, self.step, out)
        return out


@helper
def _splines_at(place: float, start: float, step: float, count: int, out_shares: F8x1) -> int:
    """Return the first of four splines that reach a place, and put what they are into `out_shares`."""
    where = min(max((place - start) / step, 0.0), float(count - 3))
    first = min(int(where), count - 4)
    part = where - first
    rest = 1.0 - part
    out_shares[0] = rest * rest * rest / 6.0
    out_shares[1] = (4.0 - 6.0 * part * part + 3.0 * part * part * part) / 6.0
    out_shares[2] = (4.0 - 6.0 * rest * rest + 3.0 * rest * rest * rest) / 6.0
    out_shares[3] = part * part * part / 6.0
    return first


@helper
def _sum(coefficients: F8x2, row: int, first: int, shares: F8x1) -> float:
    total = 0.0
    for k in range(4):
        total += coefficients[row, first + k] * shares[k]
    return total


@kernel
def _values(places: F8x2, coefficients: F8x2, start: float, step: float, out: F8x2) -> None:
    shares = np.empty(4, np.float64)
    for row in range(places.shape[0]):
        for column in range(places.shape[1]):
            out[row, column] = np.nan
            if not np.isnan(places[row, column]):
                first = _splines_at(places[row, column], start, step, coefficients.shape[1], shares)
                out[row, column] = _sum(coefficients, row, first, shares)


@helper
def _reach(
    places: F8x2, good: B1x2, row: int, reach: int, start: float, step: float, out_seen: B1x2
) -> int:
    """Return how far from a row its window goes, so that no interval amid samples lacks any."""
    far = reach
    while True:
        for k in range(out_seen.shape[1]):
            out_seen[0, k] = False
        for j in range(max(0, row - far), min(places.shape[0], row + far + 1)):
            for i in range(places.shape[1]):
                if good[j, i]:
                    where = int((places[j, i] - start) / step)
                    out_seen[0, min(max(where, 0), out_seen.shape[1] - 1)] = True
        first, last, count = -1, -1, 0
        for k in range(out_seen.shape[1]):
            if out_seen[0, k]:
                first = k if first < 0 else first
                last = k
                count += 1
        if count == last - first + 1 or far >= _GROWTH * reach:
            return far
        far += reach


@helper
def _equations(
    data: F8x2, places: F8x2, good: B1x2, scales: F8x1, row: int, far: int, start: float,
    step: float, limit: float, answer: F8x2, out_matrix: F8x2, out_right: F8x2, out_shares: F8x1,
) -> int:  # fmt: skip
    """Add up the normal equations of what is within a limit of the fit before; return of how many."""
    size, count = out_matrix.shape[0], 0
    for k in range(size):
        out_right[0, k] = 0.0
        for n in range(4):
            out_matrix[k, n] = 0.0
    for j in range(max(0, row - far), min(data.shape[0], row + far + 1)):
        weight = 1.0 - abs(j - row) / (far + 1.0)
        for i in range(data.shape[1]):
            if not good[j, i]:
                continue
            first = _splines_at(places[j, i], start, step, size, out_shares)
            value = data[j, i] / scales[j]
            if abs(value - _sum(answer, 0, first, out_shares)) > limit:
                continue
            count += 1
            for k in range(4):
                share = weight * out_shares[k]
                out_right[0, first + k] += share * value
                for n in range(4 - k):
                    out_matrix[first + k, n] += share * out_shares[k + n]
    for k in range(size):
        out_matrix[k, 0] += _FLOOR
    for k in range(size - 2):  # the squares of second differences of coefficients
        out_matrix[k, 0] += _STIFFNESS
        out_matrix[k + 1, 0] += 4 * _STIFFNESS
        out_matrix[k + 2, 0] += _STIFFNESS
        out_matrix[k, 1] -= 2 * _STIFFNESS
        out_matrix[k + 1, 1] -= 2 * _STIFFNESS
        out_matrix[k, 2] += _STIFFNESS
    return count


@helper
def _solve(out_matrix: F8x2, right: F8x2, out_answer: F8x2) -> None:
    """Solve symmetric equations, of which the matrix holds the diagonal and three beside it."""
    size = out_matrix.shape[0]
    for k in range(size):
        out_answer[0, k] = right[0, k]
    for k in range(size):
        for n in range(1, min(4, size - k)):
            factor = out_matrix[k, n] / out_matrix[k, 0]
            for m in range(n, min(4, size - k)):
                out_matrix[k + n, m - n] -= factor * out_matrix[k, m]
            out_answer[0, k + n] -= factor * out_answer[0, k]
    for k in range(size - 1, -1, -1):
        for n in range(1, min(4, size - k)):
            out_answer[0, k] -= out_matrix[k, n] * out_answer[0, k + n]
        out_answer[0, k] /= out_matrix[k, 0]


@helper
def _scatter(
    data: F8x2, places: F8x2, good: B1x2, scales: F8x1, row: int, far: int, start: float,
    step: float, limit: float, before: F8x2, answer: F8x2, out_shares: F8x1,
) -> float:  # fmt: skip
    """Return the root mean square of what a fit leaves of the samples that it was made of."""
    count, squares = 0, 0.0
    for j in range(max(0, row - far), min(data.shape[0], row + far + 1)):
        for i in range(data.shape[1]):
            if not good[j, i]:
                continue
            first = _splines_at(places[j, i], start, step, answer.shape[1], out_shares)
            value = data[j, i] / scales[j]
            if abs(value - _sum(before, 0, first, out_shares)) <= limit:
                miss = value - _sum(answer, 0, first, out_shares)
                count += 1
                squares += miss * miss
    return float(np.sqrt(squares / max(count, 1)))


@kernel
def _fitted(
    data: F8x2, places: F8x2, good: B1x2, scales: F8x1, start: float, step: float, reach: int,
    clip: float, iterations: int, out: F8x2, out_scales: F8x1,
) -> None:  # fmt: skip
    rows, size = out.shape
    matrix, shares = np.empty((size, 4), np.float64), np.empty(4, np.float64)
    right, answer = np.empty((1, size), np.float64), np.empty((1, size), np.float64)
    before, seen = np.empty((1, size), np.float64), np.empty((1, size - 3), np.bool_)
    for row in range(rows):
        far = _reach(places, good, row, reach, start, step, seen)
        limit, count = np.inf, 0
        for k in range(size):
            answer[0, k] = 0.0
        for _ in range(iterations + 1):
            for k in range(size):
                before[0, k] = answer[0, k]
            count = _equations(
                data, places, good, scales, row, far, start, step, limit, before, matrix, right,
                shares,
            )  # fmt: skip
            _solve(matrix, right, answer)
            limit = clip * _scatter(
                data, places, good, scales, row, far, start, step, limit, before, answer, shares
            )
        for k in range(size):
            out[row, k] = answer[0, k] if count > size else np.nan
        above, below = 0.0, 0.0
        for i in range(data.shape[1]):
            if good[row, i]:
                first = _splines_at(places[row, i], start, step, size, shares)
                profile = _sum(out, row, first, shares)
                above += profile * data[row, i]
                below += profile * profile
        out_scales[row] = above / below if below > 0 else np.nan


def profiles(
    data: F8x2, places: F8x2, good: B1x2, *, step: float, reach: int = 25, clip: float = 2.5,
    iterations: int = 3,
) -> Profiles:  # fmt: skip
    """Fit the profile of the light along a slit at each wavelength, with those around it.

    Rows are normalised, so that one profile fits them all. Where samples of a window lie at a few
    phases of the pixels only, as where the slit's image runs straight along them, the window grows.

    Parameters
    ----------
    data : float64 (n_row, n_column)
        Signal.
    places : float64 (n_row, n_column)
        Where along the slit each pixel is; a source has the same place in all rows.
    good : bool (n_row, n_column)
        True for pixels that count; these have a signal and a place.
    step : float
        From knot to knot, as places.
    reach : int
        Rows on either side that belong to a row's window; the farther, the less they weigh.
    clip : float
        What differs by so many times the scatter from a fit does not count in the next.
    iterations : int
        Fits of that kind after the first.

    Returns
    -------
    Profiles
        Without any coefficient where no pixel counts.
    """
    data, places = np.ascontiguousarray(data), np.ascontiguousarray(places)
    good = np.ascontiguousarray(good)
    lit = np.where(good, data, 0.0)
    scales = np.where(lit > 0, lit, 0.0).sum(axis=1)
    start, end = (f(places[good]) for f in (np.min, np.max)) if good.any() else (0.0, 0.0)
    size = int(np.ceil((end - start) / step)) + 3 if good.any() else 0
    found = Profiles(float(start), step, np.full((len(data), max(size, 4)), np.nan), scales)
    for _ in range(_TURNS if good.any() else 0):
        counting = good & (found.scales > 0)[:, None]
        out, out_scales = np.empty_like(found.coefficients), np.empty_like(scales)
        _fitted(
            data, places, counting, found.scales, found.start, step, reach, clip, iterations, out,
            out_scales,
        )  # fmt: skip
        found = Profiles(found.start, step, out, out_scales)
    return found
