"""Planes that stay in their file until rows of them are asked for."""

import sys
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from itertools import product
from math import prod
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.io._source import Source

Translation = Callable[[NDArray[Any]], NDArray[Any]]
Conversion = Callable[[NDArray[Any], NDArray[Any]], None]
_PIECE = 1 << 20
"""Bytes read at a time [byte]: they stay in the processor's cache until they are converted."""
_MANY = 1 << 15
"""Elements from which on loading the compiled conversion of raw counts pays."""


class Section:
    """An array in a file, read where it is indexed: integers and slices over all axes.

    Every reading gives a new, contiguous array of the machine's byte order. Several threads may
    read at once.

    Parameters
    ----------
    source : Source
        Bytes of the file.
    offset : int
        Where the array begins [byte].
    stored : dtype
        Element type in the file, big-endian.
    shape : tuple of int
        Axes in the file, slowest first.
    dtype : dtype
        Element type that is returned.
    scale, zero : float
        BSCALE and BZERO: the value is ``zero + scale * stored``.
    translate : callable, optional
        Applied to what was read, such as a renumbering of flags.
    """

    def __init__(
        self,
        source: Source,
        offset: int,
        stored: np.dtype[Any],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        *,
        scale: float = 1,
        zero: float = 0,
        translate: Translation | None = None,
    ) -> None:
        self._source = source
        self._offset = offset
        self._stored = stored
        self._stored_shape = shape
        self._convert = conversion(stored, np.dtype(dtype), scale, zero)
        self._translate = translate
        self._origin = (0, 0)
        self._content: NDArray[Any] | None = None
        self.shape = shape
        self.dtype = np.dtype(dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes that the whole array takes in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<{self.dtype} {self.shape} of {self._source.path.name}>"

    def __array__(
        self,
        dtype: np.dtype[Any] | None = None,
        copy: bool | None = None,
    ) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a section of a file cannot be an array without being copied")
        whole = self[...]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def within(self, rows: slice, columns: slice) -> "Section":
        """Return the part of the plane that a sub-array covers, still in the file."""
        part = copy(self)
        part._origin = (self._origin[0] + rows.start, self._origin[1] + columns.start)  # noqa: SLF001
        size = (rows.stop - rows.start, columns.stop - columns.start)
        part.shape = (*self.shape[:-2], *size)
        return part

    def fetched(self, rows: slice, columns: slice) -> "Section":
        """Return a part of the plane, whose bytes are read now and kept in memory."""
        bounds = [(0, size) for size in self.shape[:-2]]
        bounds += [(part.start, part.stop) for part in (rows, columns)]
        content = np.empty([stop - start for start, stop in bounds], self._stored)
        self._read(bounds, content, _copy)
        part = copy(self)
        part._content, part._origin = content, (0, 0)  # noqa: SLF001
        part.shape = part._stored_shape = content.shape  # noqa: SLF001
        return part

    def __getitem__(self, index: Any) -> NDArray[Any]:
        bounds, after = parse_index(index, self.shape)
        out = self._values(bounds)
        if self._translate is not None:
            out = self._translate(out)
        return np.asarray(out[after], order="C")

    def _values(self, bounds: list[tuple[int, int]]) -> NDArray[Any]:
        """Return what lies within `bounds`, in the element type that is wanted."""
        out = np.empty([stop - start for start, stop in bounds], self.dtype)
        if out.size:
            self._read(bounds, out, self._convert)
        return out

    def _read(self, bounds: list[tuple[int, int]], out: NDArray[Any], convert: Conversion) -> None:
        """Fill `out` with what lies within `bounds`, as many planes at once as fit a piece."""
        if self._content is not None:
            self._take(self._content, bounds, out, convert)
            return
        *lead, height, width = (1, 1, *self._stored_shape)[-max(2, len(self.shape)) :]
        pairs = [(0, 1)] * (2 - len(bounds)) + bounds
        top, bottom = (edge + self._origin[0] for edge in pairs[-2])
        left, right = (edge + self._origin[1] for edge in pairs[-1])
        row_bytes = width * self._stored.itemsize
        step = max(1, min(bottom - top, _PIECE // row_bytes))
        strides = [prod(lead[axis + 1 :]) * height for axis in range(len(lead))]
        places = product(*(range(*pair) for pair in pairs[:-2]))
        firsts = [sum(map(mul, place, strides)) for place in places]
        target = out.reshape(-1, bottom - top, right - left)
        batch = max(1, _PIECE // (step * row_bytes))
        scratch = np.empty(min(batch, len(firsts)) * step * width, self._stored)
        for number in range(0, len(firsts), batch):
            planes = firsts[number : number + batch]
            for row in range(top, bottom, step):
                count = min(step, bottom - row)
                piece = scratch[: len(planes) * count * width].reshape(-1, count, width)
                if count == height and planes[-1] - planes[0] == (len(planes) - 1) * height:
                    self._source.read_into(self._offset + planes[0] * row_bytes, piece)
                else:
                    for first, rows in zip(planes, piece, strict=True):
                        self._source.read_into(self._offset + (first + row) * row_bytes, rows)
                convert(
                    piece if right - left == width else piece[:, :, left:right],
                    target[number : number + batch, row - top : row - top + count],
                )

    def _take(
        self,
        content: NDArray[Any],
        bounds: list[tuple[int, int]],
        out: NDArray[Any],
        convert: Conversion,
    ) -> None:
        """Fill `out` with what lies within `bounds` of what is in memory."""
        top, left = self._origin
        *lead, (first, last), (start, stop) = bounds
        where = slice(first + top, last + top), slice(start + left, stop + left)
        part = content[(*(slice(*pair) for pair in lead), *where)].copy()  # which may be changed
        convert(*(planes.reshape(-1, *planes.shape[-2:]) for planes in (part, out)))


class Filled:
    """A plane that its file lacks: one value everywhere, made where it is indexed."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], value: float) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.value = value

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<{self.dtype} {self.shape} filled with {self.value:g}>"

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        del copy
        return np.full(self.shape, self.value, dtype or self.dtype)

    def within(self, rows: slice, columns: slice) -> "Filled":
        """Return the part that a sub-array covers."""
        size = (rows.stop - rows.start, columns.stop - columns.start)
        return Filled((*self.shape[:-2], *size), self.dtype, self.value)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        bounds, after = parse_index(index, self.shape)
        shape = [stop - start for start, stop in bounds]
        return np.asarray(np.full(shape, self.value, self.dtype)[after], order="C")


def parse_index(
    index: Any, shape: tuple[int, ...]
) -> tuple[list[tuple[int, int]], tuple[slice | int, ...]]:
    """Return the bounds that enclose an index on each axis, and what is left to take from them."""
    items: list[Any] = list(index if isinstance(index, tuple) else (index,))
    if Ellipsis in items:
        at = items.index(Ellipsis)
        items[at : at + 1] = [slice(None)] * (len(shape) - len(items) + 1)
    items += [slice(None)] * (len(shape) - len(items))
    if len(items) > len(shape):
        raise IndexError(f"{len(items)} indices for {len(shape)} axes")
    bounds: list[tuple[int, int]] = []
    after: list[slice | int] = []
    for item, size in zip(items, shape, strict=True):
        if isinstance(item, slice):
            places = range(*item.indices(size))
            if not places:
                bounds.append((0, 0))
                after.append(slice(None))
                continue
            bounds.append((min(places[0], places[-1]), max(places[0], places[-1]) + 1))
            after.append(slice(None, None, places.step))
        else:
            place = range(size)[item]
            bounds.append((place, place + 1))
            after.append(0)
    return bounds, tuple(after)


def conversion(
    stored: np.dtype[Any], wanted: np.dtype[Any], scale: float, zero: float
) -> Conversion:
    """Return a function that writes what a file stores into an array of the `wanted` type.

    It may change the array it is given.
    """
    size = stored.itemsize
    if scale == 1 and zero == 0:
        return _copy
    if scale == 1 and stored.kind == "i" and zero == 1 << (8 * size - 1):
        return _Flip(size, size == 2 and wanted == np.float32 and sys.byteorder == "little")
    return _Scale(scale, zero)


def _copy(values: NDArray[Any], out: NDArray[Any]) -> None:
    np.copyto(out, values, casting="unsafe")


@dataclass(frozen=True)
class _Flip:
    """Unsigned integers stored as signed ones less half their range: the highest bit is flipped."""

    size: int
    raw: bool

    def __call__(self, values: NDArray[Any], out: NDArray[Any]) -> None:
        bits = values.view(f"=u{self.size}")
        if self.raw and out.flags.c_contiguous and values.size > _MANY:
            from calcore.kernels.byteorder import raw_counts  # noqa: PLC0415 - loads numba

            raw_counts(np.ascontiguousarray(bits), out)
            return
        highest = np.array(1 << (8 * self.size - 1), f">u{self.size}").view(bits.dtype)
        np.bitwise_xor(bits, highest, out=bits)
        np.copyto(out, values.view(f">u{self.size}"), casting="unsafe")


@dataclass(frozen=True)
class _Scale:
    """Numbers with a scale and a zero point; whole ones stay exact."""

    scale: float
    zero: float

    def __call__(self, values: NDArray[Any], out: NDArray[Any]) -> None:
        whole = self.scale == 1 and float(self.zero).is_integer() and values.dtype.kind in "iu"
        if whole:
            np.copyto(out, values.astype(np.int64) + int(self.zero), casting="unsafe")
        else:
            scaled = values.astype(np.float64) * self.scale + self.zero
            np.copyto(out, scaled, casting="unsafe")
