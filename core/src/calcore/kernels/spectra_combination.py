"""The mean of several spectra, each with wavelengths of its own."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
Places = Literal["clump", "nearest"]
_HALF = 0.5 * (1 + 1e-6)
"""Part of the distance to a spectrum's next wavelength within which another's is taken with it."""


class Column(NamedTuple):
    """Values of all spectra, one after the other, and their standard deviations."""

    value: F8
    error: F8


class Mean(NamedTuple):
    """Means at each wavelength, their standard deviations, the sum of weights, and how many there are."""

    value: F8
    error: F8
    weight: F8
    number: NDArray[np.int64]


def clumps(wavelengths: Sequence[F8]) -> tuple[F8, NDArray[np.int64]]:
    """Return wavelengths that several spectra have in common, and which of them each is taken for.

    Sorted wavelengths are taken together until one of a spectrum that is already among them comes,
    or one that is farther away than half the distance of neighbours. So spectra with nearly the same
    wavelengths give means of these, and others as many as one of them has.

    Parameters
    ----------
    wavelengths : sequence of float64 (n,)
        Of each spectrum, ascending.

    Returns
    -------
    float64 (n_clump,), int64 (n_all,)
        Means of clumps, ascending; and for all wavelengths, one spectrum after the other, the
        number of their clump.
    """
    everything = np.concatenate(wavelengths)
    owner = np.repeat(np.arange(len(wavelengths)), [own.size for own in wavelengths])
    apart = np.concatenate([_distances(own) for own in wavelengths])
    order = np.argsort(everything, kind="stable")
    number = np.empty(everything.size, np.int64)
    there: set[int] = set()
    current, before = -1, -1
    for sample in order:
        reach = _HALF * min(apart[sample], apart[before])
        far = everything[sample] - everything[before] > (reach if np.isfinite(reach) else 0.0)
        if current < 0 or far or int(owner[sample]) in there:
            current += 1
            there.clear()
        there.add(int(owner[sample]))
        number[sample] = current
        before = sample
    middles: F8 = np.bincount(number, everything) / np.bincount(number)
    return middles, number


def _distances(wavelength: F8) -> F8:
    """Return how far each wavelength is from its nearer neighbour; infinity if it has none."""
    between = np.diff(wavelength)
    nearer: F8 = np.minimum(np.append(between, np.inf), np.append(np.inf, between))
    return nearer


def nearest(wavelength: F8, grid: F8) -> NDArray[np.int64]:
    """Return which of some ascending wavelengths is next to each; -1 beyond their ends."""
    place = np.interp(wavelength, grid, np.arange(grid.size), left=np.nan, right=np.nan)
    return np.where(np.isnan(place), -1, np.rint(place)).astype(np.int64)


def mean(column: Column, weight: F8, number: NDArray[np.int64], good: NDArray[np.bool_],
         size: int) -> Mean:  # fmt: skip
    """Return weighted means at each wavelength.

    Parameters
    ----------
    column : Column
        Values (n_all,); those that are NaN do not count, errors that are NaN add nothing.
    weight : float64 (n_all,)
        Of each value.
    number : int64 (n_all,)
        Which wavelength each belongs to.
    good : bool (n_all,)
        True for those that count.
    size : int
        How many wavelengths there are.

    Returns
    -------
    Mean
        NaN where nothing counts.
    """
    used = good & np.isfinite(column.value) & (number >= 0)
    place, share = number[used], weight[used]
    total = np.bincount(place, share, size)
    spread = np.bincount(place, np.nan_to_num(share * column.error[used]) ** 2, size)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.bincount(place, share * column.value[used], size) / total
        error = np.sqrt(spread) / total
    return Mean(
        value, error, np.asarray(total), np.bincount(place, minlength=size).astype(np.int64)
    )


def without_outliers(
    value: F8, number: NDArray[np.int64], good: NDArray[np.bool_], sigma: float
) -> NDArray[np.bool_]:
    """Return which values count (n_all,) after those far from others of their wavelength are left out.

    Values farther from the median than `sigma` standard deviations are left out until none is.
    """
    kept = good & np.isfinite(value) & (number >= 0)
    order = np.argsort(number, kind="stable")
    edges = np.flatnonzero(np.diff(number[order], prepend=-2))
    for samples in np.split(order, edges[1:]):
        own = samples[kept[samples]]
        while own.size:
            reach = sigma * value[own].std()
            near = np.abs(value[own] - np.median(value[own])) <= reach
            if near.all() or not near.any():
                break
            kept[own[~near]] = False
            own = own[near]
    return kept


def at_wavelengths(wavelength: F8, known: F8, values: F8, *, beyond: bool) -> F8:
    """Return a spectrum at some wavelengths, on straight lines between those where it is known.

    Parameters
    ----------
    wavelength : float64, any shape
        Where; NaN gives NaN.
    known, values : float64 (n,)
        The spectrum, wavelengths ascending.
    beyond : bool
        The first and the last value hold for half a step beyond; otherwise all beyond is NaN.

    Returns
    -------
    float64, shape of `wavelength`
        NaN beyond the spectrum's ends.
    """
    level = np.interp(wavelength, known, values)
    more = np.zeros(2)
    if beyond and known.size > 1:
        more = np.array([known[1] - known[0], known[-1] - known[-2]]) / 2
    inside = (wavelength >= known[0] - more[0]) & (wavelength <= known[-1] + more[1])
    return np.where(inside, level, np.nan)
