"""Waves of interference in a spectrum, told from its continuum, its lines and its noise."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from numpy.typing import NDArray
from scipy.fft import next_fast_len, rfft, rfftfreq
from scipy.interpolate import BSpline
from scipy.ndimage import binary_dilation

F8 = NDArray[np.float64]
B1 = NDArray[np.bool_]

_TURNS, _PLAIN = 8, 3
"""How often continuum, lines and waves are found anew; the first times there are no waves."""
_SETTLED = 1e-4
_OUTLIER, _GROWTH = 4.0, 2
_DEVIATION = 1.4826
"""Standard deviation of normal noise over its median absolute deviation."""
_FINER = 16
"""Periodograms are so much finer than what a spectrum resolves."""
_SAMPLES = 4
"""Samples of the shortest wave that a spectrum can show, on the even grid of its periodogram."""
_BESIDE, _BESIDE_NUMBERS = 0.5, 8
"""Waves that no layer makes are told apart from this part of the lowest frequency on."""
_MOST = 12
"""So many waves are found at most."""
_PER_NUMBER = 4
"""So many samples there are at least for each number that describes waves."""
_CLOSER, _LEAST = 1.3, 2
"""How much closer knots of the continuum are than the longest wave is long, and how many parts it has."""


class Layer(NamedTuple):
    """Something that interferes: its waves have frequencies over wavenumber of `lowest` to `highest` [cm].

    At most `numbers` say how cosine and sine of all its waves change along a spectrum.
    """

    lowest: float
    highest: float
    numbers: int = 10


def transmission(
    wavenumber: F8, signal: F8, error: F8, layers: Sequence[Layer], *, largest: float = 0.2
) -> F8:
    """Return what interference leaves of a spectrum, relative to its mean.

    The continuum is a cubic spline whose knots are hardly closer than the longest wave of all layers
    is long, so that it has no part in them. What departs from it is searched for waves; lines, which depart from
    both by four standard deviations, have no say, nor do two samples beside them. In turn, until
    all agree.

    Parameters
    ----------
    wavenumber : float64 (n,)
        Wavenumbers, ascending or descending [1/cm].
    signal, error : float64 (n,)
        Spectrum and its standard deviation, in any unit. Samples that are not finite, or whose error
        is not positive, have no say.
    layers : sequence of Layer
        What interferes; waves of other frequencies stay.
    largest : float
        If waves grow larger than this part of the continuum, less than 1, they are not believed.

    Returns
    -------
    float64 (n,)
        Divide by it; positive. 1 everywhere where nothing is believed, where the spectrum is too short,
        or half of its samples are unusable.

    Notes
    -----
    Follows what is published on residual fringes of MIRI's spectrometer: periodogram, sinusoids in
    number by evidence (Argyriou et al. 2020, A&A 641, A150; Gasman et al. 2023, A&A 673, A102).
    """
    nothing = np.ones(wavenumber.shape)
    if wavenumber.size < _LEAST or not layers:
        return nothing
    usable = np.isfinite(signal) & np.isfinite(error) & (error > 0)
    parts = int(_CLOSER * np.ptp(wavenumber) * min(layer.lowest for layer in layers))
    if parts < _LEAST or usable.sum() < max(usable.size / 2, 2 * parts):
        return nothing
    values = np.where(usable, signal, 0.0)
    weights = np.where(usable, 1 / np.where(usable, error, 1.0) ** 2, 0.0)
    knots = splines(wavenumber, parts)
    waves, calm = np.zeros(values.shape), usable
    for turn in range(_TURNS):
        before = waves
        level = fitted(knots, values / (1 + waves), calm * weights * (1 + waves) ** 2)
        lit = usable & (level > 0)
        relative = np.where(lit, values, 1.0) / np.where(lit, level, 1.0) - 1
        if lit.sum() < usable.sum() / 2:
            return nothing
        trust = np.where(lit, weights * level**2, 0.0)
        if turn >= _PLAIN:
            waves = find(wavenumber, relative, np.where(calm, trust, 0.0), layers)
            if not np.abs(waves).max() < largest:
                return nothing
        # Until waves are known, what may be one is not taken for a line.
        allowed = largest if turn < _PLAIN else 0.0
        calm = lit & ~_departing(relative - waves, np.sqrt(trust), allowed)
        if calm.sum() < usable.sum() / 2:
            return nothing
        if turn >= _PLAIN and np.abs(waves - before).max() < _SETTLED:
            break
    return nothing + waves


def find(wavenumber: F8, relative: F8, weights: F8, layers: Sequence[Layer]) -> F8:
    """Return the waves of layers that there are in what departs from a continuum.

    The highest peak of the periodogram (Lomb 1976, Ap&SS 39, 447) is a wave whose cosine and sine
    change slowly along the spectrum, as do polynomials of a degree that the Bayesian information
    criterion chooses (Schwarz 1978, Annals of Statistics 6, 461). Then the next is found beside it, as
    long as the criterion says so. Waves of frequencies that no layer has are told apart in the same
    way, so that they are not mistaken for others, and left out.

    Parameters
    ----------
    wavenumber, relative, weights : float64 (n,)
        Wavenumbers [1/cm], signals over the continuum less 1, and inverse variances; those of weight
        zero have no say.
    layers : sequence of Layer
        What interferes.

    Returns
    -------
    float64 (n,)
        Sum of the waves of all layers.
    """
    root = np.sqrt(weights)
    values, count = relative * root, np.count_nonzero(weights)
    frequencies, power_of = periodogram_of(wavenumber, min(layer.lowest for layer in layers))
    if not frequencies.size:
        return np.zeros(root.shape)
    owners = np.full(frequencies.shape, -1)
    for number, layer in enumerate(layers):
        owners[(frequencies >= layer.lowest) & (frequencies <= layer.highest)] = number
    left = np.array([*(layer.numbers for layer in layers), _BESIDE_NUMBERS])
    found: list[tuple[int, F8]] = []
    known, rest = np.zeros((root.size, 0)), values
    for _ in range(_MOST):
        power = np.where(left[owners] > 0, power_of(rest * root), 0.0)
        top = int(np.argmax(power))
        owner = int(owners[top])
        # The criterion means something as long as samples are many more than what they decide.
        most = min(left[owner], (count // _PER_NUMBER - known.shape[1]) // 2)
        if not power[top] > 0 or most < 1:
            break
        basis = changing(wavenumber, frequencies[top], int(most))
        new = basis * root[:, None]
        for _ in range(2):  # once more, for what rounding left
            new -= known @ (known.T @ new)
        new, _ = np.linalg.qr(new)
        explained = np.cumsum((new.T @ rest) ** 2)[1::2] / (rest @ rest)
        numbers = np.arange(1, explained.size + 1)
        misfit = count * np.log(np.maximum(1 - explained, np.finfo(float).eps))
        criterion = misfit + (2 * numbers + 1) * np.log(count)
        best = int(numbers[np.argmin(criterion)])
        if not criterion.min() < 0:
            break
        found.append((owner, basis[:, : 2 * best]))
        known = np.concatenate([known, new[:, : 2 * best]], axis=1)
        rest = values - known @ (known.T @ values)
        left[owner] -= best
    if not found:
        return np.zeros(root.shape)
    bases = np.concatenate([basis for _, basis in found], axis=1)
    wanted = np.concatenate([np.full(basis.shape[1], owner >= 0) for owner, basis in found])
    factors = np.linalg.lstsq(bases * root[:, None], values, rcond=None)[0]
    return np.asarray(bases @ np.where(wanted, factors, 0.0))


def changing(wavenumber: F8, frequency: float, numbers: int) -> F8:
    """Return cosine and sine of a wave, times polynomials of degrees 0, 1, 2 … (n, 2 `numbers`)."""
    place = 2 * (wavenumber - wavenumber.min()) / np.ptp(wavenumber) - 1
    slow = chebvander(place, numbers - 1)
    phase = 2 * np.pi * frequency * wavenumber
    pairs = [slow * np.cos(phase)[:, None], slow * np.sin(phase)[:, None]]
    return np.asarray(np.stack(pairs, axis=2).reshape(wavenumber.size, 2 * numbers))


def periodogram_of(wavenumber: F8, lowest: float) -> tuple[F8, Callable[[F8], F8]]:
    """Return frequencies [cm], from half the lowest on, and what gives the power of values there.

    Samples are put on an even grid, four to the shortest wave that two samples show.
    """
    place = wavenumber - wavenumber.min()
    step = np.median(np.abs(np.diff(wavenumber))) * 2 / _SAMPLES
    cells = np.rint(place / step).astype(np.intp)
    length = next_fast_len(_FINER * (int(cells.max()) + 1), real=True)
    frequencies = rfftfreq(length, step)
    among = (frequencies >= _BESIDE * lowest) & (frequencies <= 1 / (_SAMPLES * step))

    def power(values: F8) -> F8:
        grid = np.bincount(cells, values)
        return np.asarray(np.abs(rfft(grid, length)[among]) ** 2)

    return frequencies[among], power


def splines(wavenumber: F8, parts: int) -> F8:
    """Return cubic splines over so many equal parts of a spectrum (n, parts + 3)."""
    low, high = wavenumber.min(), wavenumber.max()
    step = (high - low) / parts
    knots = low + step * np.arange(-3, parts + 4)
    # The last sample belongs to the last part, though rounding errors may put it beyond.
    within = np.clip(wavenumber, low, knots[-4])
    return np.asarray(BSpline.design_matrix(within, knots, 3).toarray())


def fitted(bases: F8, values: F8, weights: F8) -> F8:
    """Return the sum of bases (n, k) that fits values best; parts without a say are as small as can be."""
    root = np.sqrt(weights)
    factors = np.linalg.lstsq(bases * root[:, None], values * root, rcond=None)[0]
    return np.asarray(bases @ factors)


def _departing(departures: F8, root: F8, allowed: float) -> B1:
    """Tell which samples, and which beside them, depart by more than is allowed and the noise does."""
    noise = departures * root
    spread = _DEVIATION * np.median(np.abs(noise[root > 0]))
    beyond = np.abs(noise) > _OUTLIER * spread + allowed * root
    grown: B1 = binary_dilation(beyond, iterations=_GROWTH)
    return grown
