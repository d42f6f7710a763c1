"""Ramps made linear by polynomials, for single reads and for averages of several.

The correction of averages follows from the detector's response alone: the average of signals that
went through a non-linear response is not the response to the average. The reads of a group are
foretold from the slope of the linearised ramp, sent through the inverse response, shifted so that
their mean is what was measured, made linear one by one, and averaged.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x3, F4x4, F8x1, F8x2, U1x4, kernel

SATURATED = 2


@kernel
def _polynomial(data: F4x4, groupdq: U1x4, coefficients: F4x3, out: F4x4) -> None:
    integrations, groups, rows, columns = data.shape
    last = coefficients.shape[0] - 1
    for y in range(rows):
        for i in range(integrations):
            for g in range(groups):
                for x in range(columns):
                    out[i, g, y, x] = coefficients[last, y, x]
                for back in range(last):
                    k = last - 1 - back
                    for x in range(columns):
                        out[i, g, y, x] = out[i, g, y, x] * data[i, g, y, x] + coefficients[k, y, x]
                for x in range(columns):
                    if groupdq[i, g, y, x] & SATURATED != 0:
                        out[i, g, y, x] = data[i, g, y, x]


@kernel
def _polynomial_image(data: F4x3, coefficients: F4x3, out: F4x3) -> None:
    planes, rows, columns = data.shape
    last = coefficients.shape[0] - 1
    for y in range(rows):
        for p in range(planes):
            for x in range(columns):
                value = data[p, y, x]
                total = coefficients[last, y, x]
                for back in range(last):
                    total = total * value + coefficients[last - 1 - back, y, x]
                out[p, y, x] = total if value != 0 else value


@kernel
def _by_reads(data: F4x4, groupdq: U1x4, coefficients: F4x3, inverse: F4x3, offsets: F8x2,
              means: F8x1, out: F4x4, out_reads: F8x2, out_first: F8x1, out_rate: F8x1,
              out_sum: F8x1) -> None:  # fmt: skip
    integrations, groups, rows, columns = data.shape
    frames = offsets.shape[1]
    last, top = coefficients.shape[0] - 1, inverse.shape[0] - 1
    for y in range(rows):
        for i in range(integrations):
            for x in range(columns):
                good = 0
                for g in range(groups):
                    good += 1 - ((groupdq[i, g, y, x] >> 1) & 1)
                end = max(good - 2, 1)
                first = np.float64(data[i, 0, y, x])
                if groupdq[i, 0, y, x] & SATURATED == 0:
                    value = first
                    first = np.float64(coefficients[last, y, x])
                    for back in range(last):
                        first = first * value + coefficients[last - 1 - back, y, x]
                later = np.float64(data[i, end, y, x])
                if groupdq[i, end, y, x] & SATURATED == 0:
                    value = later
                    later = np.float64(coefficients[last, y, x])
                    for back in range(last):
                        later = later * value + coefficients[last - 1 - back, y, x]
                out_first[x] = first
                out_rate[x] = (later - first) / (means[end] - means[0])
            for g in range(groups):
                for x in range(columns):
                    out_sum[x] = 0
                for f in range(frames):
                    for x in range(columns):
                        out_reads[f, x] = inverse[top, y, x]
                    for back in range(top):
                        for x in range(columns):
                            true = out_first[x] + out_rate[x] * offsets[g, f]
                            out_reads[f, x] = out_reads[f, x] * true + inverse[top - 1 - back, y, x]
                    for x in range(columns):
                        out_sum[x] += out_reads[f, x]
                for x in range(columns):
                    out_sum[x] = data[i, g, y, x] - out_sum[x] / frames
                for f in range(frames):
                    for x in range(columns):
                        out_reads[f, x] += out_sum[x]
                for x in range(columns):
                    out_sum[x] = 0
                for f in range(frames):
                    for x in range(columns):
                        total = np.float64(coefficients[last, y, x])
                        for back in range(last):
                            total = total * out_reads[f, x] + coefficients[last - 1 - back, y, x]
                        out_sum[x] += total
                for x in range(columns):
                    if groupdq[i, g, y, x] & SATURATED != 0:
                        out[i, g, y, x] = data[i, g, y, x]
                    else:
                        out[i, g, y, x] = out_sum[x] / frames


def linearize(
    data: NDArray[np.float32], groupdq: NDArray[np.uint8], coefficients: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Make a ramp linear by each pixel's polynomial.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal above the bias [DN].
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags; samples that are SATURATED keep their signal.
    coefficients : float32 (n_coefficient, ny, nx)
        Coefficients of rising powers of the signal, constant first; at least two.

    Returns
    -------
    float32 (n_int, n_group, ny, nx)
        Linear signal [DN], by Horner's scheme in single precision.
    """
    out = np.empty_like(data)
    _polynomial(data, groupdq, coefficients, out)
    return out


def linearize_image(
    data: NDArray[np.float32], coefficients: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Make first reads linear; an exact 0, which stands for an unusable value, stays 0.

    Parameters
    ----------
    data : float32 (n_int, ny, nx)
        Signal above the bias [DN].
    coefficients : float32 (n_coefficient, ny, nx)
        As for `linearize`.

    Returns
    -------
    float32 (n_int, ny, nx)
    """
    out = np.empty_like(data)
    _polynomial_image(data, coefficients, out)
    return out


def linearize_averages(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    coefficients: NDArray[np.float32],
    inverse: NDArray[np.float32],
    frames: int,
    gap: int,
) -> NDArray[np.float32]:
    """Make a ramp linear whose groups are averages of several reads.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal above the bias [DN]; at least two groups.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags; samples that are SATURATED keep their signal.
    coefficients, inverse : float32 (n_coefficient, ny, nx)
        Coefficients of rising powers, constant first: from measured to linear signal, and back.
    frames, gap : int
        Reads averaged into a group, and reads dropped after it.

    Returns
    -------
    float32 (n_int, n_group, ny, nx)
        Linear signal [DN], computed in double precision.

    Notes
    -----
    The slope is that between the first group and the last but one of those that are not
    saturated, whose average may hold saturated reads.
    """
    reads = np.arange(data.shape[1])[:, None] * (frames + gap) + np.arange(frames)
    means = reads.mean(axis=1)
    columns = data.shape[-1]
    scratch = np.empty(columns), np.empty(columns), np.empty(columns)
    out = np.empty_like(data)
    _by_reads(
        data, groupdq, coefficients, inverse, reads - means[0], means, out,
        np.empty((frames, columns)), *scratch,
    )  # fmt: skip
    return out
