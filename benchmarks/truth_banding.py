"""What 1/f noise leaves in the lines of count rates."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from benchmarks.truth_bound import FloatArray
from benchmarks.truth_exposure import DO_NOT_USE, BoolArray, ExposureTruth

FEWEST = 8
"""Pixels that a line must have to count."""
OUTLIER = 5.0
"""Pixels farther from the truth than this many times ERR are something else."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """How a frame is read.

    Attributes
    ----------
    along_x
        True if rows are read one after the other, False if columns are.
    outputs
        Amplifiers that share a line, each a part of it; 1 if they take turns.
    """

    along_x: bool
    outputs: int


@dataclass(frozen=True, kw_only=True)
class Banding:
    """Root mean square of line means of (rate - truth), over what their pixels' ERR make of them.

    Attributes
    ----------
    rate, integrations
        Of the mean over integrations, and of single ones; 1 is no banding, NaN is unknown.
    """

    rate: float
    integrations: float


def banding(products: Path, truth: ExposureTruth, lines: Lines) -> Banding:
    """Measure the products of one exposure.

    Parameters
    ----------
    products
        Folder with ``_rate`` and ``_rateints``.
    truth, lines
        Of the exposure.
    """
    with fits.open(products / f"{truth.root}_rate.fits") as file:
        true = truth.true_rate(file[0].header.get("S_IPC") == "COMPLETE")
        mean = _rms(_means(file, np.s_[:], true, truth.active, lines))
    path = products / f"{truth.root}_rateints.fits"
    single: list[FloatArray] = []
    if path.exists() and truth.integrations > 1:
        with fits.open(path) as file:
            single += [
                _means(file, np.s_[integration], true, truth.active, lines)
                for integration in range(truth.integrations)
            ]
    return Banding(rate=mean, integrations=_rms(np.concatenate(single)) if single else np.nan)


def _means(
    file: fits.HDUList, part: object, true: FloatArray, active: BoolArray, lines: Lines
) -> FloatArray:
    """Return the weighed mean error of each line's parts, over its own standard deviation."""
    rate, error = (np.asarray(file[name].data[part], np.float64) for name in ("SCI", "ERR"))
    known = active & (np.asarray(file["DQ"].data[part]) & DO_NOT_USE == 0)
    known &= np.isfinite(rate) & (error > 0)
    apart = np.where(known, rate - true, 0)
    known &= np.abs(apart) < OUTLIER * error
    weight = np.where(known, 1 / np.where(known, error, 1) ** 2, 0)
    if not lines.along_x:
        apart, weight = apart.T, weight.T
    found = []
    for output in range(lines.outputs):
        width = apart.shape[1] // lines.outputs
        columns = np.s_[:, output * width : (output + 1) * width]
        enough = (weight[columns] > 0).sum(axis=1) >= FEWEST
        total = weight[columns].sum(axis=1)[enough]
        mean = (weight[columns] * apart[columns]).sum(axis=1)[enough] / total
        # A level that all lines share is no band.
        found.append((mean - np.median(mean)) * np.sqrt(total) if mean.size else mean)
    return np.concatenate(found)


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else np.nan
