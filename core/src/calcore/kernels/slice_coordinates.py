"""Coordinates within an image slicer's field, pixel by pixel, from polynomials of each slice."""

import numpy as np
from numpy.typing import NDArray

from calcore.kernels._jit import (
    F8x1,
    F8x2,
    F8x3,
    F8x4,
    I4x1,
    I4x2,
    I8x1,
    helper,
    kernel,
)


@helper
def _value(polynomial: F8x2, first: float, second: float) -> float:
    """Return the value of a polynomial whose terms are [power of first, power of second]."""
    total = 0.0
    for i in range(polynomial.shape[0] - 1, -1, -1):
        line = 0.0
        for j in range(polynomial.shape[1] - 1, -1, -1):
            line = line * second + polynomial[i, j]
        total = total * first + line
    return total


@kernel
def _along_rows(slices: I4x2, polynomials: F8x4, shifts: F8x3, out: F8x3) -> None:
    """In a row of a slice each polynomial is one of x alone: its terms are found once."""
    n_out, n_y, n_x = polynomials.shape[1:]
    terms = np.empty(n_x, np.float64)
    for k in range(n_out):
        for j in range(slices.shape[0]):
            before = -1
            for i in range(slices.shape[1]):
                here = slices[j, i]
                if here < 0:
                    out[k, j, i] = np.nan
                    continue
                if here != before:
                    before = here
                    y = j + shifts[here, k, 0]
                    for power in range(n_x):
                        term = 0.0
                        for n in range(n_y - 1, -1, -1):
                            term = term * y + polynomials[here, k, n, power]
                        terms[power] = term
                x = i + shifts[here, k, 1]
                value = 0.0
                for power in range(n_x - 1, -1, -1):
                    value = value * x + terms[power]
                out[k, j, i] = value


def in_slices(slices: I4x2, polynomials: F8x4, shifts: F8x3) -> F8x3:
    """Evaluate the polynomials of the slice that each pixel belongs to.

    Parameters
    ----------
    slices : int32 (ny, nx)
        Number of each pixel's slice, from 0; negative between slices.
    polynomials : float64 (n_slice, n_coordinate, n_y, n_x)
        Terms of shifted y to the first power index, times shifted x to the second.
    shifts : float64 (n_slice, n_coordinate, 2)
        What is added to y and x [pixel].

    Returns
    -------
    float64 (n_coordinate, ny, nx)
        NaN between slices.
    """
    out = np.empty((polynomials.shape[1], *slices.shape), np.float64)
    _along_rows(np.ascontiguousarray(slices), polynomials, shifts, out)
    return out


@kernel
def _through_fields(
    slices: I4x2, places: F8x3, field_of: I4x1, polynomials: F8x4, out: F8x3
) -> None:
    for j in range(slices.shape[0]):
        for i in range(slices.shape[1]):
            here = slices[j, i]
            for k in range(polynomials.shape[1]):
                value = np.nan
                if here >= 0:
                    value = _value(polynomials[field_of[here], k], places[0, j, i], places[1, j, i])
                out[k, j, i] = value


def in_fields(slices: I4x2, places: NDArray[np.float64], field_of: I4x1, polynomials: F8x4) -> F8x3:
    """Map places in slices by the polynomials of the field that each slice belongs to.

    Parameters
    ----------
    slices : int32 (ny, nx)
        Number of each pixel's slice, from 0; negative between slices.
    places : float64 (2, ny, nx)
        Two coordinates within the field.
    field_of : int32 (n_slice,)
        Number of each slice's field.
    polynomials : float64 (n_field, n_coordinate, n_first, n_second)
        Terms of the first coordinate to the first power index, times the second to the second.

    Returns
    -------
    float64 (n_coordinate, ny, nx)
        NaN between slices.
    """
    out = np.empty((polynomials.shape[1], *slices.shape), np.float64)
    _through_fields(
        np.ascontiguousarray(slices), np.ascontiguousarray(places), field_of, polynomials, out
    )
    return out


@kernel
def _at_pixels(pixels: I8x1, slices: I4x2, polynomials: F8x4, shifts: F8x3, out: F8x2) -> None:
    n_out, n_y, n_x = polynomials.shape[1:]
    terms = np.empty((n_out, n_x), np.float64)
    before, line = -1, -1
    for n in range(pixels.size):
        j, i = pixels[n] // slices.shape[1], pixels[n] % slices.shape[1]
        here = slices[j, i]
        if here != before or j != line:
            before, line = here, j
            for k in range(n_out):
                y = j + shifts[here, k, 0]
                for power in range(n_x):
                    term = 0.0
                    for m in range(n_y - 1, -1, -1):
                        term = term * y + polynomials[here, k, m, power]
                    terms[k, power] = term
        for k in range(n_out):
            x = i + shifts[here, k, 1]
            value = 0.0
            for power in range(n_x - 1, -1, -1):
                value = value * x + terms[k, power]
            out[k, n] = value


def at_pixels(pixels: I8x1, slices: I4x2, polynomials: F8x4, shifts: F8x3) -> F8x2:
    """Evaluate polynomials as `in_slices` does, at some pixels alone.

    Parameters
    ----------
    pixels : int64 (n_pixel,)
        Pixels in slices, as places in the flattened frame.
    slices, polynomials, shifts
        As of `in_slices`.

    Returns
    -------
    float64 (n_coordinate, n_pixel)
    """
    out = np.empty((polynomials.shape[1], pixels.size), np.float64)
    _at_pixels(pixels, np.ascontiguousarray(slices), polynomials, shifts, out)
    return out


@kernel
def _onto_grid(left: F8x1, right: F8x1, across: F8x1, half: float, terms: F8x3, out: F8x3) -> None:
    for n in range(across.size):
        for k in range(2):
            low, high = across[n] - half, across[n] + half
            out[k, n, 0] = _value(terms[k], left[n], low)
            out[k, n, 1] = _value(terms[k], left[n], high)
            out[k, n, 2] = _value(terms[k], right[n], high)
            out[k, n, 3] = _value(terms[k], right[n], low)


def corners_of(left: F8x1, right: F8x1, across: F8x1, half: float, terms: F8x3) -> F8x3:
    """Return where the corners of pixels lie: those of boxes along and across slices.

    Parameters
    ----------
    left, right, across : float64 (n_pixel,)
        Both ends along the slice, and the middle across it.
    half : float
        Half the width of a slice.
    terms : float64 (2, n_along, n_across)
        Polynomials of the place along slices to the first power index, times that across to the second.

    Returns
    -------
    float64 (2, n_pixel, 4)
        Corners in order around the pixel.
    """
    out = np.empty((2, across.size, 4), np.float64)
    _onto_grid(left, right, across, half, terms, out)
    return out
