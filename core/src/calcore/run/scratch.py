"""Whole frames that are too big for memory, kept in a nameless file between two passes of bands."""

import os
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import OutputProblem
from calcore.model import Window


class ScratchPlane:
    """A plane (..., ny, nx) in a file, written and read by rows; safe to use from threads.

    Written and read with offsets, not through a memory map, which would count as memory.

    Parameters
    ----------
    shape : tuple of int
        All axes; the last two are rows and columns.
    dtype : numpy dtype
        Element type.
    folder : Path
        Where the file lies; it has no name, and is gone when the plane is.

    Raises
    ------
    OutputProblem
        The disk is full.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], folder: Path) -> None:
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)
        self._folder = folder
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as the plane
        weakref.finalize(self, self._file.close)

    def put(self, values: NDArray[Any], window: Window) -> None:
        """Write the rows of a window that spans all columns."""
        columns = self.shape[-1]
        stack = np.ascontiguousarray(values, self.dtype).reshape(-1, *values.shape[-2:])
        frame = self.shape[-2] * columns
        for number, image in enumerate(stack):
            start = (number * frame + window.row_start * columns) * self.dtype.itemsize
            self._write(image.tobytes(), start)

    def _write(self, content: bytes, start: int) -> None:
        try:
            while content:
                written = os.pwrite(self._file.fileno(), content, start)
                content, start = content[written:], start + written
        except OSError as error:
            raise OutputProblem(
                self._folder,
                f"has no room for scratch data ({error.strerror}); free some, or set TMPDIR",
            ) from error

    def __getitem__(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Return ``plane[..., rows, columns]``, slices of rows and columns."""
        leading, rows, columns = key
        if leading is not Ellipsis:
            raise IndexError("a scratch plane is read as plane[..., rows, columns]")
        start, stop, _ = rows.indices(self.shape[-2])
        width = self.shape[-1]
        count = int(np.prod(self.shape[:-2]))
        out = np.empty((count, stop - start, width), self.dtype)
        for number in range(count):
            offset = (number * self.shape[-2] + start) * width * self.dtype.itemsize
            size = (stop - start) * width * self.dtype.itemsize
            piece = os.pread(self._file.fileno(), size, offset)
            out[number] = np.frombuffer(piece, self.dtype).reshape(stop - start, width)
        return out.reshape(*self.shape[:-2], stop - start, width)[..., columns]
