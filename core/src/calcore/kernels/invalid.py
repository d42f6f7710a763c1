"""Invalid pixels are invalid in every plane: NaN and the flag DO_NOT_USE go together."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._jit import B1x2, F4x2, U4x2, kernel

U4 = NDArray[np.uint32]
F4 = NDArray[np.float32]

_DO_NOT_USE = int(DQ.DO_NOT_USE)


@kernel
def _find_flagged(dq: U4x2, flag: int, out: B1x2) -> None:
    for i in range(dq.shape[0]):
        for j in range(dq.shape[1]):
            out[i, j] = (dq[i, j] & flag) != 0


@kernel
def _find_nan(plane: F4x2, out: B1x2) -> None:
    for i in range(plane.shape[0]):
        for j in range(plane.shape[1]):
            if np.isnan(plane[i, j]):
                out[i, j] = True


@kernel
def _blank(plane: F4x2, bad: B1x2, out: F4x2) -> None:
    for i in range(plane.shape[0]):
        for j in range(plane.shape[1]):
            out[i, j] = np.nan if bad[i, j] else plane[i, j]


@kernel
def _flag(dq: U4x2, bad: B1x2, flag: int, out: U4x2) -> None:
    for i in range(dq.shape[0]):
        for j in range(dq.shape[1]):
            value = dq[i, j]
            if bad[i, j]:
                value |= np.uint32(flag)
            out[i, j] = value


def reconcile(dq: U4, planes: Mapping[str, F4 | None]) -> dict[str, Any]:
    """Make invalid pixels invalid everywhere.

    A pixel is invalid if any of the planes is NaN there, or if it is flagged DO_NOT_USE. It then
    is flagged so, and all planes are NaN. Other flags stay as they are.

    Parameters
    ----------
    dq : uint32 (…, ny, nx)
        Flags.
    planes : mapping of float32 (…, ny, nx) or None
        Signal, errors, variances by name; None is passed on, and so is a plane of another shape.

    Returns
    -------
    dict
        The planes by name, and the flags as ``dq``.
    """
    flat = (dq.shape[0], -1)
    flags = dq.reshape(flat)
    bad = np.empty(flags.shape, np.bool_)
    _find_flagged(flags, _DO_NOT_USE, bad)
    concerned = {
        name: plane
        for name, plane in planes.items()
        if plane is not None and plane.shape == dq.shape
    }
    for plane in concerned.values():
        _find_nan(plane.reshape(flat), bad)
    out_dq = np.empty_like(dq)
    _flag(flags, bad, _DO_NOT_USE, out_dq.reshape(flat))
    result: dict[str, Any] = {**planes, "dq": out_dq}
    for name, plane in concerned.items():
        result[name] = np.empty_like(plane)
        _blank(plane.reshape(flat), bad, result[name].reshape(flat))
    return result
