"""Where pixels share charge in a band, and by which kernel."""

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid
from calcore.model import Meta, Ramp
from calcore.model.border import Border
from calcore.model.reference import Ipc


def kernel_in(ramp: Ramp, ipc: Ipc) -> tuple[tuple[int, int, int, int], NDArray[np.float32]]:
    """Return first and last row and column that share, and the kernel cut to the band.

    Reference pixels neither give nor take. The kernel has the axes (ky, kx), or (ky, kx, y, x) of
    the full frame or of the sub-array.
    """
    frame = ramp.frame
    rows, columns = Border.of(ramp.meta, frame).science(frame).within(frame)
    kernel = np.asarray(ipc.data)
    if kernel.ndim == 4:
        top, left = ramp.meta.subarray_origin
        if kernel.shape[2:] == (frame.frame_rows, frame.frame_columns):
            top, left = 0, 0
        kernel = kernel[
            :,
            :,
            top + frame.row_start : top + frame.row_stop,
            left + frame.column_start : left + frame.column_stop,
        ]
    area = rows.start, rows.stop, columns.start, columns.stop
    return area, np.ascontiguousarray(kernel, np.float32)


def check_kernel(meta: Meta, ipc: Ipc) -> None:
    """Refuse a kernel that has no middle, or does not cover the exposure.

    Raises
    ------
    ReferenceInvalid
    """
    shape = ipc.data.shape
    if len(shape) not in (2, 4) or shape[0] % 2 == 0 or shape[1] % 2 == 0:
        raise ReferenceInvalid(
            f"the IPC kernel has shape {shape}; give one of odd height and width with 2 axes, "
            "or 4 if each pixel has its own"
        )
    if len(shape) == 4:
        detector = meta.facts.detector
        size = meta.get("subarray.ysize"), meta.get("subarray.xsize")
        if shape[2:] not in ((detector.rows, detector.columns), size):
            raise ReferenceInvalid(
                f"the IPC kernel has shape {shape}; its last two axes must be those of the "
                f"full frame ({detector.rows}, {detector.columns}) or of the sub-array {size}"
            )
