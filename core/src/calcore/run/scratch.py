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
        stack = np.ascontiguousarray(values, self.dtype).reshape(-1, *values.shape[-2:])
        for number, image in enumerate(stack):
            self._write(image, self._place(number, window.row_start))

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return what an index of integers and slices of step 1, with or without ``...``, takes."""
        starts, sizes, axes = self._bounds(key)
        *lead, rows, _ = sizes
        width = self.shape[-1]
        out = np.empty((int(np.prod(lead)), rows, width), self.dtype)
        for image, place in zip(out, np.ndindex(*lead), strict=True):
            first = [start + step for start, step in zip(starts, place, strict=False)]
            number = int(np.ravel_multi_index(first, self.shape[:-2])) if first else 0
            self._read(image, self._place(number, starts[-2]))
        whole = out.reshape(*lead, rows, width)[..., starts[-1] : starts[-1] + sizes[-1]]
        return whole[tuple(slice(None) if kept else 0 for kept in axes)]

    def __setitem__(self, integration: int, values: NDArray[Any]) -> None:
        """Replace all of one integration."""
        count = int(np.prod(self.shape[1:-2]))
        for number, image in enumerate(values.reshape(count, *self.shape[-2:])):
            self._write(image, self._place(integration * count + number, 0))

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a scratch plane cannot be an array without being copied")
        return self[...].astype(dtype or self.dtype, copy=False)

    def _bounds(self, key: Any) -> tuple[list[int], list[int], list[bool]]:
        """Return first index, number, and whether the axis stays, for each axis of an index."""
        items = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis not in items:
            items.append(Ellipsis)
        at = items.index(Ellipsis)
        items[at : at + 1] = [slice(None)] * (self.ndim - len(items) + 1)
        starts, sizes, axes = [], [], []
        for item, length in zip(items, self.shape, strict=True):
            start, stop, step = (
                item.indices(length) if isinstance(item, slice) else (item, item + 1, 1)
            )
            if step != 1 or not 0 <= start <= stop <= length:
                raise IndexError(f"a scratch plane of shape {self.shape} has no part {key!r}")
            starts.append(start)
            sizes.append(stop - start)
            axes.append(isinstance(item, slice))
        return starts, sizes, axes

    def _place(self, image: int, row: int) -> int:
        """Return where a row of one of the images begins in the file."""
        return (image * self.shape[-2] + row) * self.shape[-1] * self.dtype.itemsize

    def _read(self, out: NDArray[Any], start: int) -> None:
        octets: Any = out.reshape(-1).view(np.uint8)
        view = memoryview(octets)
        count = os.preadv(self._file.fileno(), [view], start) if view.nbytes else 0
        view[count:] = bytes(view.nbytes - count)  # rows that nobody has written are 0

    def _write(self, values: NDArray[Any], start: int) -> None:
        octets: Any = np.ascontiguousarray(values, self.dtype).reshape(-1).view(np.uint8)
        view = memoryview(octets)
        try:
            while view.nbytes:
                written = os.pwrite(self._file.fileno(), view, start)
                view, start = view[written:], start + written
        except OSError as error:
            raise OutputProblem(
                self._folder,
                f"has no room for scratch data ({error.strerror}); free some, or set TMPDIR",
            ) from error
