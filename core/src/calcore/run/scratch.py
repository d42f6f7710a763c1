"""Whole frames that are too big for memory, kept in a nameless file between two passes of bands."""

import os
import tempfile
import threading
import weakref
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import OutputProblem
from calcore.model import Window


class ScratchFile:
    """A file without a name, which is gone when nothing refers to it any more.

    Parameters
    ----------
    folder : Path, optional
        Where it lies, by default where the system wants such files (TMPDIR).

    Raises
    ------
    OutputProblem
        The disk is full, or no file can be made there.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._end = 0
        self._lock = threading.Lock()
        try:  # the system's folder is sought by writing to it
            self._folder = folder or Path(tempfile.gettempdir())
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - as long as self
        except OSError as error:
            raise OutputProblem(
                folder or tempfile.tempdir or "TMPDIR",
                f"takes no scratch data ({error.strerror}); free some room, or set TMPDIR",
            ) from error
        weakref.finalize(self, self._file.close)

    def room(self, size: int) -> int:
        """Return where so many bytes find room that nobody else is given."""
        with self._lock:
            place, self._end = self._end, self._end + size
        return place

    def read(self, out: NDArray[Any], start: int) -> None:
        """Fill a contiguous array; what nobody has written is 0."""
        octets: Any = out.reshape(-1).view(np.uint8)
        view = memoryview(octets)
        while view.nbytes and (count := os.preadv(self._file.fileno(), [view], start)):
            view, start = view[count:], start + count
        view[:] = bytes(view.nbytes)  # what lies beyond the end

    def write(self, values: NDArray[Any], start: int) -> None:
        """Write an array at a place."""
        octets: Any = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
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


class ScratchPlane:
    """A plane (..., ny, nx) in a file, which lies there as it was put: safe to use from threads.

    Parts lie one after the other, each with all its images, since it takes long to write a few rows
    and columns of each of thousands of images. Written and read with offsets, not through a memory
    map, which would count as memory.

    Parameters
    ----------
    shape : tuple of int
        All axes; the last two are rows and columns.
    dtype : numpy dtype
        Element type.
    file : ScratchFile, optional
        Where it lies; in a file of its own by default.

    Raises
    ------
    OutputProblem
        The disk is full, or no file can be made there.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], file: ScratchFile | None = None
    ) -> None:
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)
        self._parts: list[tuple[Window, int]] = []
        self._lock = threading.Lock()
        self._file = file or ScratchFile()

    @classmethod
    def of(cls, plane: NDArray[Any], file: ScratchFile, rows: int) -> "ScratchPlane":
        """Return a plane as it lies in a file, in bands of so many rows."""
        kept = cls(plane.shape, plane.dtype, file)
        height, width = plane.shape[-2:]
        for window in Window.whole(height, width).tiles(rows, width):
            kept.put(plane[..., window.rows, window.columns], window)
        return kept

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def put(self, values: NDArray[Any], window: Window) -> None:
        """Write a part of the plane that has not been written yet."""
        place = self._file.room(values.size * self.dtype.itemsize)
        self._write(values, place)
        with self._lock:
            self._parts.append((window, place))

    def lay_out(self, rows: int) -> "ScratchPlane":
        """Make room for bands of so many rows, which images fill one after another."""
        height, width = self.shape[-2:]
        images = prod(self.shape[:-2]) * self.dtype.itemsize
        for window in Window.whole(height, width).tiles(rows, width):
            self._parts.append((window, self._file.room(images * prod(window.shape))))
        return self

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return what an index of integers and slices of step 1, with or without ``...``, takes.

        What nobody has written is 0.
        """
        starts, sizes, axes = self._bounds(key)
        *lead, rows, columns = sizes
        wanted = self._window(starts, sizes)
        out = np.empty((prod(lead), rows, columns), self.dtype)
        found = [
            (window, place, common)
            for window, place in self._parts
            if (common := window.common(wanted)) is not None
        ]
        if sum(prod(common.shape) for _, _, common in found) < rows * columns:
            out[:] = 0
        runs = list(_runs(starts[:-2], lead, self.shape[:-2]))
        for window, place, common in found:
            target, own = out[:, *common.within(wanted)], common.within(window)
            for first, number, images in runs:
                at = place + first * prod(window.shape) * self.dtype.itemsize
                if common == window and target[images].flags.c_contiguous:
                    self._file.read(target[images], at)
                    continue
                held = np.empty((number, *window.shape), self.dtype)
                self._file.read(held, at)
                target[images] = held[:, *own]
        return out.reshape(sizes)[tuple(slice(None) if kept else 0 for kept in axes)]

    def __setitem__(self, place: int | tuple[int, ...], values: NDArray[Any]) -> None:
        """Write one integration, or one group of it, in all parts there are."""
        first = place if isinstance(place, tuple) else (place,)
        count = prod(self.shape[len(first) : -2])
        number = int(np.ravel_multi_index(first, self.shape[: len(first)])) * count
        images = values.reshape(count, *self.shape[-2:])
        for window, start in self._parts:
            size = prod(window.shape) * self.dtype.itemsize
            self._write(images[:, window.rows, window.columns], start + number * size)

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

    def _window(self, starts: list[int], sizes: list[int]) -> Window:
        """Return the rows and columns of an index."""
        (top, left), (rows, columns) = starts[-2:], sizes[-2:]
        return Window(top, top + rows, left, left + columns, *self.shape[-2:])

    def _write(self, values: NDArray[Any], start: int) -> None:
        self._file.write(np.ascontiguousarray(values, self.dtype), start)


def _runs(
    starts: list[int], sizes: list[int], shape: tuple[int, ...]
) -> Iterator[tuple[int, int, slice]]:
    """Yield runs of images that an index takes: the first one, how many, and their place in it.

    All axes but the first are taken whole most of the time, and then all is one run.
    """
    together = len(sizes)
    while together > 0 and sizes[together - 1] == shape[together - 1]:
        together -= 1
    together = max(together - 1, 0)  # a part of one axis is still a run
    number = prod(sizes[together:])
    for run, place in enumerate(np.ndindex(*sizes[:together])):
        at = [start + step for start, step in zip(starts, place, strict=False)]
        at += starts[together:]
        first = int(np.ravel_multi_index(at, shape)) if at else 0
        yield first, number, slice(run * number, (run + 1) * number)
