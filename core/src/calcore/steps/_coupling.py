"""Where pixels share charge in a band, and by which kernel."""

import numpy as np
from numpy.typing import NDArray

from calcore.model import Ramp
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
