"""Response of pixels relative to each other, and the noise of its measurement."""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import F4x2, F4x3, F8x2, U4x2, kernel

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
U4 = NDArray[np.uint32]

_DO_NOT_USE = int(DQ.DO_NOT_USE)
_NO_FLAT_FIELD = int(DQ.NO_FLAT_FIELD)


@kernel
def _factor(
    flat: F4x2, dq: U4x2, no_flat: int, do_not_use: int, out_factor: F8x2, out_dq: U4x2
) -> None:
    for row in range(flat.shape[0]):
        for column in range(flat.shape[1]):
            value = flat[row, column]
            flags = dq[row, column]
            if not np.isfinite(value) or value == 0.0:
                flags |= np.uint32(no_flat)
            if flags & no_flat:
                flags |= np.uint32(do_not_use)
            out_dq[row, column] = flags
            out_factor[row, column] = 1.0 if flags & do_not_use else 1.0 / float(value)


def factor(flat: F4, dq: U4) -> tuple[F8, U4]:
    """Return what the flat-field correction multiplies a signal by.

    Parameters
    ----------
    flat : float32 (ny, nx)
        Response relative to the detector's mean.
    dq : uint32 (ny, nx)
        Flags of the response.

    Returns
    -------
    float64 (ny, nx)
        1 / `flat`; 1 where the response is unknown: flagged DO_NOT_USE or NO_FLAT_FIELD, 0, or not
        finite.
    uint32 (ny, nx)
        `dq`, with DO_NOT_USE where the response is unknown, and NO_FLAT_FIELD where its value is.
    """
    out_factor = np.empty(flat.shape, np.float64)
    out_dq = np.empty_like(dq)
    _factor(flat, dq, _NO_FLAT_FIELD, _DO_NOT_USE, out_factor, out_dq)
    return out_factor, out_dq


@kernel
def _variance(data: F4x3, factor: F8x2, flat_error: F4x2, out: F4x3) -> None:
    for i in range(data.shape[0]):
        for row in range(data.shape[1]):
            for column in range(data.shape[2]):
                relative = factor[row, column] * float(flat_error[row, column])
                error = float(data[i, row, column]) * relative
                out[i, row, column] = error * error


def variance(data: F4, factor: F8, flat_error: F4) -> F4:
    """Return the variance that the flat field's own error adds to a corrected signal.

    Parameters
    ----------
    data : float32 ([n_int,] ny, nx)
        Corrected signal S.
    factor : float64 (ny, nx)
        1 / F, F being the response.
    flat_error : float32 (ny, nx)
        Standard deviation of F.

    Returns
    -------
    float32, shape of `data`
        ``(S σ_F / F)²``, in the unit of the signal squared.
    """
    out = np.empty_like(data)
    cube = (-1, *data.shape[-2:])
    _variance(data.reshape(cube), factor, flat_error, out.reshape(cube))
    return out


def total_error(variances: list[F4]) -> F4:
    """Return the standard deviation of independent contributions given as variances."""
    total = np.zeros(variances[0].shape, np.float64)
    for part in variances:
        total += part
    return np.sqrt(total).astype(np.float32)
