"""Spectra by a fit of the source's profile along a slit at each wavelength.

The profile is known, so that its amplitude is the flux, each pixel weighted by how well it tells it
(Horne 1986, PASP 98, 609). Arrays have rows of one wavelength each, and columns along the slit.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

F8 = NDArray[np.float64]
Bool = NDArray[np.bool_]
_REACH = 5.0
_STEP = 0.5
"""Places of the source are tried so far from where it is told to be, first in such steps [pixel]."""


class Profile(NamedTuple):
    """Light along the slit: `values` (n_wavelength, n) at `wavelengths` (n_wavelength,) [um].

    The source lies at column `centre` of `values`; `subpixels` of them make a pixel.
    """

    values: F8
    wavelengths: F8
    centre: float
    subpixels: float

    def at(self, wavelength: F8, place: F8, columns: int) -> F8:
        """Return the share of light in each pixel (n_row, n_column).

        Parameters
        ----------
        wavelength : float64 (n_row,)
            Of each row [um].
        place : float64 (n_row,)
            Of the source in each row [pixel].
        columns : int
            Number of pixels along the slit.

        Returns
        -------
        float64 (n_row, n_column)
            Straight lines between the known wavelengths and sub-pixels; 0 beyond the known part.
            NaN in rows beyond the known wavelengths.
        """
        order = np.argsort(self.wavelengths, kind="stable")
        known, values = self.wavelengths[order], self.values[order]
        plane = np.interp(wavelength, known, np.arange(known.size), left=np.nan, right=np.nan)
        shares = np.full((wavelength.size, columns), np.nan)
        column = np.arange(values.shape[1])
        for row in np.flatnonzero(np.isfinite(plane) & np.isfinite(place)):
            low = min(int(plane[row]), known.size - 1)
            part = plane[row] - low
            line = (1 - part) * values[low] + part * values[min(low + 1, known.size - 1)]
            where = (np.arange(columns) - place[row]) * self.subpixels + self.centre
            light = np.interp(where, column, line, left=0.0, right=0.0)
            total = light.sum()
            shares[row] = light / total if total > 0 else np.nan
        return shares


class Fit(NamedTuple):
    """Of each row (n_row,): what the fit says.

    `flux` and its `variances` (n_origin, n_row); `area`, over how many pixels the profile spreads, as
    its noise does; `level` of the background in the source's place and its `level_variances`;
    `scene` (n_row, n_column), what the fit says of each pixel.
    """

    flux: F8
    variances: F8
    area: F8
    level: F8
    level_variances: F8
    scene: F8


def fitted(
    data: NDArray[np.floating],
    variances: Sequence[NDArray[np.floating]],
    good: Bool,
    profiles: Sequence[F8],
    beside: F8 | None = None,
    *,
    order: int = 0,
    weighted: bool = True,
) -> Fit:
    """Fit profiles, and a background, to each row.

    Parameters
    ----------
    data : float (n_row, n_column)
        Values.
    variances : sequence of float (n_row, n_column)
        Of `data`, by origin; the first is due to photons.
    good : bool (n_row, n_column)
        True for pixels that count.
    profiles : sequence of float64 (n_row, n_column)
        The source's, and those of others that are fitted with it.
    beside : float64 (n_row, n_column), optional
        Above 0 for pixels of the background; they are fitted together with those profiles reach.
    order : int
        Of the background's polynomial.
    weighted : bool
        Pixels are weighted by their variance, in which the light of photons is that of the fit
        before: what a pixel happened to get would make faint ones weigh more. Otherwise all are
        alike.

    Returns
    -------
    Fit
        NaN in rows with fewer pixels than unknowns.
    """
    rows, columns = data.shape
    first = np.asarray(profiles[0], np.float64)
    light = np.stack(profiles, axis=-1).astype(np.float64)
    lit: Bool = np.asarray(np.isfinite(light).all(axis=-1))
    light = np.where(lit[..., None], light, 0.0)
    terms, used = light, good & lit & (light > 0).any(axis=-1)
    if beside is not None:
        place = np.linspace(-1, 1, columns) if columns > 1 else np.zeros(1)
        powers = np.broadcast_to(place[:, None] ** np.arange(order + 1), (rows, columns, order + 1))
        terms, used = np.concatenate([light, powers], axis=-1), used | (good & lit & (beside > 0))
    values = np.where(used, data, 0.0).astype(np.float64)
    spreads = np.stack([np.where(used, part, 0.0) for part in variances]).astype(np.float64)
    weight = used.astype(np.float64)
    shares, answer = _solved(terms, values, weight)
    for _ in range(2 if weighted else 0):
        weight = np.where(used, 1 / _expected(spreads, terms, answer, used), 0.0)
        shares, answer = _solved(terms, values, weight)
    inside = np.where(used, first, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        area = inside.sum(axis=1) / np.nansum(first**2, axis=1)
        at_source = (inside[..., None] * terms[..., light.shape[-1] :]).sum(axis=1)
        at_source = at_source / inside.sum(axis=1)[:, None]
    level_shares = np.einsum("rk,rkc->rc", at_source, shares[:, light.shape[-1] :])
    return Fit(
        answer[:, 0], (shares[:, 0] ** 2 * spreads).sum(axis=-1), area,
        (level_shares * values).sum(axis=-1), (level_shares**2 * spreads).sum(axis=-1),
        np.einsum("rcx,rx->rc", terms, answer),
    )  # fmt: skip


def _solved(terms: F8, values: F8, weight: F8) -> tuple[F8, F8]:
    """Return how each value adds to each unknown (n_row, n_unknown, n_column), and the unknowns."""
    matrix = np.einsum("rcx,rc,rcy->rxy", terms, weight, terms)
    unknowns = terms.shape[-1]
    scale = np.einsum("rxx->rx", matrix)
    enough = ((weight > 0).sum(axis=1) >= unknowns) & (scale > 0).all(axis=1)
    matrix[~enough] = np.eye(unknowns)
    # Two profiles in one place cannot be told apart: then the smallest answer is taken.
    shares = np.linalg.pinv(matrix, hermitian=True) @ (terms * weight[..., None]).swapaxes(1, 2)
    shares[~enough] = np.nan
    return shares, np.einsum("rxc,rc->rx", shares, values)


def _expected(spreads: F8, terms: F8, answer: F8, used: Bool) -> F8:
    """Return the variance of pixels, that of photons shared out as the fit's light is."""
    light = np.einsum("rcx,rx->rc", terms, np.nan_to_num(answer))
    light = np.where(used, np.clip(light, 0.0, None), 0.0)
    total = light.sum(axis=1, keepdims=True)
    even = used / np.maximum(used.sum(axis=1, keepdims=True), 1)
    part = np.where(total > 0, light / np.where(total > 0, total, 1.0), even)
    # Some of it everywhere, so that a pixel without light does not weigh beyond all others.
    part = 0.99 * part + 0.01 * even
    variance: F8 = part * spreads[0].sum(axis=1, keepdims=True) + spreads[1:].sum(axis=0)
    return np.where(variance > 0, variance, 1.0)


def best_shift(residual: Callable[[float], float]) -> float:
    """Return the shift of the source [pixel] with the smallest sum of squared residuals.

    Parameters
    ----------
    residual : callable
        Returns the sum for a shift.
    """
    tried = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    sums = np.array([residual(float(shift)) for shift in tried])
    if not np.isfinite(sums).any():
        return 0.0
    middle = float(tried[int(np.nanargmin(sums))])
    found = minimize_scalar(
        residual, bounds=(middle - _STEP, middle + _STEP), method="bounded",
        options={"xatol": 1e-6},
    )  # fmt: skip
    return float(found.x)
