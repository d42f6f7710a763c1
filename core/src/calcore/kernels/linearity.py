"""Ramps made linear by polynomials, for single reads and for averages of several.

The correction of averages follows from the detector's response alone: the average of signals that
went through a non-linear response is not the response to the average. The reads of a group are
foretold from the slope of the linearised ramp, sent through the inverse response, shifted so that
their mean is what was measured, made linear one by one, and averaged. Where the inverse is not known,
the second term of Taylor's series at the average tells as much: reads that scatter by v about their
mean have a mean linear signal that is larger by v f''/2.
"""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import F4x2, F4x3, F4x4, F8x1, F8x2, F8x3, U1x2, U1x4, helper, kernel

SATURATED = 2
PIECE = 256
BLOCK = 32 * PIECE


@kernel
def _polynomial(data: F4x2, groupdq: U1x2, coefficients: F4x2, out: F4x2) -> None:
    samples, pixels = data.shape
    last = coefficients.shape[0] - 1
    # All samples of so many pixels as the cache holds the coefficients of: of narrow bands whole
    # planes, which lie side by side in memory.
    for block in range(0, pixels, BLOCK):
        for n in range(samples):
            # Short pieces, whose results stay in the fastest cache from power to power.
            for start in range(block, min(block + BLOCK, pixels), PIECE):
                stop = min(start + PIECE, pixels)
                signal, result = data[n, start:stop], out[n, start:stop]
                known, highest = groupdq[n, start:stop], coefficients[last, start:stop]
                for x in range(signal.size):
                    result[x] = highest[x]
                # Two powers at a time, so that the result is read and written half as often.
                for pair in range(last // 2):
                    k = last - 1 - 2 * pair
                    term, lower = coefficients[k, start:stop], coefficients[k - 1, start:stop]
                    for x in range(signal.size):
                        result[x] = (result[x] * signal[x] + term[x]) * signal[x] + lower[x]
                if last % 2 == 1:
                    lower = coefficients[0, start:stop]
                    for x in range(signal.size):
                        result[x] = result[x] * signal[x] + lower[x]
                flags = np.uint8(0)
                for x in range(signal.size):
                    flags |= known[x]
                if flags & SATURATED == 0:
                    continue
                for x in range(signal.size):
                    if known[x] & SATURATED != 0:
                        result[x] = signal[x]


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
def _ends(data: F4x4, groupdq: U1x4, coefficients: F4x3, times: F8x1, since_reset: float,
          out_first: F8x3, out_rate: F8x3) -> None:  # fmt: skip
    integrations, groups, rows, columns = data.shape
    last = coefficients.shape[0] - 1
    for i in range(integrations):
        for y in range(rows):
            for x in range(columns):
                good = 0
                for g in range(groups):
                    good += 1 - ((groupdq[i, g, y, x] >> 1) & 1)
                end = max(good - 2, 1)
                if since_reset < np.inf and good < 3:
                    end = 0
                for g in (0, end):
                    value = np.float64(data[i, g, y, x])
                    if groupdq[i, g, y, x] & SATURATED == 0:
                        signal = value
                        value = np.float64(coefficients[last, y, x])
                        for back in range(last):
                            value = value * signal + coefficients[last - 1 - back, y, x]
                    if g == 0:
                        out_first[i, y, x] = value
                        out_rate[i, y, x] = value / since_reset
                    else:
                        out_rate[i, y, x] = (value - out_first[i, y, x]) / times[end]


@helper
def _evaluate(coefficients: F4x3, y: int, start: int, signal: F8x1, out: F8x1, size: int) -> None:
    """Evaluate polynomials, two powers at a time, so that the result is touched half as often."""
    last = coefficients.shape[0] - 1
    stop = start + size
    term = coefficients[last, y, start:stop]
    for x in range(size):
        out[x] = term[x]
    for pair in range(last // 2):
        k = last - 1 - 2 * pair
        term, lower = coefficients[k, y, start:stop], coefficients[k - 1, y, start:stop]
        for x in range(size):
            out[x] = (out[x] * signal[x] + term[x]) * signal[x] + lower[x]
    if last % 2 == 1:
        lower = coefficients[0, y, start:stop]
        for x in range(size):
            out[x] = out[x] * signal[x] + lower[x]


@kernel
def _by_reads(data: F4x4, groupdq: U1x4, coefficients: F4x3, inverse: F4x3, offsets: F8x2,
              first: F8x3, rate: F8x3, out: F4x4) -> None:  # fmt: skip
    integrations, groups, rows, columns = data.shape
    frames = offsets.shape[1]
    true = np.empty(PIECE)
    total = np.empty(PIECE)
    value = np.empty(PIECE)
    reads = np.empty((frames, PIECE))
    for y in range(rows):
        # Short pieces of a row keep all that is used again in the fastest cache.
        for start in range(0, columns, PIECE):
            stop = min(start + PIECE, columns)
            size = stop - start
            for i in range(integrations):
                begin, slope = first[i, y, start:stop], rate[i, y, start:stop]
                for g in range(groups):
                    signal = data[i, g, y, start:stop]
                    known = groupdq[i, g, y, start:stop]
                    result = out[i, g, y, start:stop]
                    for x in range(size):
                        total[x] = 0
                    for f in range(frames):
                        when = offsets[g, f]
                        for x in range(size):
                            true[x] = begin[x] + slope[x] * when
                        _evaluate(inverse, y, start, true, reads[f], size)
                        for x in range(size):
                            total[x] += reads[f, x]
                    for x in range(size):
                        true[x] = signal[x] - total[x] / frames
                        total[x] = 0
                    for f in range(frames):
                        for x in range(size):
                            reads[f, x] += true[x]
                        _evaluate(coefficients, y, start, reads[f], value, size)
                        for x in range(size):
                            total[x] += value[x]
                    for x in range(size):
                        mean = np.float32(total[x] / frames)
                        result[x] = signal[x] if known[x] & SATURATED != 0 else mean


@kernel
def _by_curvature(data: F4x4, groupdq: U1x4, coefficients: F4x3, scatter: float, rate: F8x3,
                  out: F4x4) -> None:  # fmt: skip
    integrations, groups, rows, columns = data.shape
    value, first, second = np.empty(PIECE), np.empty(PIECE), np.empty(PIECE)
    for y in range(rows):
        for start in range(0, columns, PIECE):
            stop = min(start + PIECE, columns)
            size = stop - start
            for i in range(integrations):
                slope = rate[i, y, start:stop]
                for g in range(groups):
                    signal = data[i, g, y, start:stop]
                    known = groupdq[i, g, y, start:stop]
                    result = out[i, g, y, start:stop]
                    for x in range(size):
                        value[x], first[x], second[x] = 0, 0, 0
                    for k in range(coefficients.shape[0] - 1, -1, -1):
                        term = coefficients[k, y, start:stop]
                        for x in range(size):
                            second[x] = second[x] * signal[x] + first[x]
                            first[x] = first[x] * signal[x] + value[x]
                            value[x] = value[x] * signal[x] + term[x]
                    for x in range(size):
                        # Reads of a steady ramp are closer together where the response is weaker.
                        spread = slope[x] / first[x] if first[x] > 0 else 0.0
                        bent = np.float32(value[x] + second[x] * spread * spread * scatter)
                        result[x] = signal[x] if known[x] & SATURATED != 0 else bent


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
    out = np.empty(data.shape, np.float32)
    samples, terms = data.shape[0] * data.shape[1], len(coefficients)
    _polynomial(
        data.reshape(samples, -1), groupdq.reshape(samples, -1), coefficients.reshape(terms, -1),
        out.reshape(samples, -1),
    )  # fmt: skip
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
    inverse: NDArray[np.float32] | None,
    frames: int,
    gap: int,
    *,
    from_reset: bool = False,
) -> NDArray[np.float32]:
    """Make a ramp linear whose groups are averages of several reads.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal above the bias [DN]; at least two groups, or one with `from_reset`.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags; samples that are SATURATED keep their signal.
    coefficients, inverse : float32 (n_coefficient, ny, nx)
        Coefficients of rising powers, constant first: from measured to linear signal, and back.
        Without those back, the curvature of the response is used.
    frames, gap : int
        Reads averaged into a group, and reads dropped after it.
    from_reset : bool
        Whether the slope of ramps with fewer than three groups that are not saturated is that from
        the reset, where the signal is 0, to the first group.

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
    offsets = reads - reads[0].mean()
    shape = data.shape[0], *data.shape[2:]
    first, rate = np.empty(shape), np.empty(shape)
    since_reset = (frames + 1) / 2 if from_reset else np.inf
    _ends(data, groupdq, coefficients, offsets.mean(axis=1), since_reset, first, rate)
    out = np.empty_like(data)
    if inverse is None:
        _by_curvature(data, groupdq, coefficients, (frames**2 - 1) / 12, rate, out)
        return out
    _by_reads(data, groupdq, coefficients, inverse, offsets, first, rate, out)
    return out
