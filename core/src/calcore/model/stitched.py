"""Planes put together of parts that lie elsewhere, read only where they are asked for."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.model.stripes import Stripes


class Lazy(ABC):
    """What all planes have that are made where they are indexed."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that the whole array takes in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        if copy is False:
            raise ValueError(
                "what is put together of parts cannot be an array without being copied"
            )
        whole = self[...]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        items = list(index if isinstance(index, tuple) else (index,))
        if Ellipsis in items:
            at = items.index(Ellipsis)
            items[at : at + 1] = [slice(None)] * (self.ndim - len(items) + 1)
        items += [slice(None)] * (self.ndim - len(items))
        bounds = [
            slice(*item.indices(size)) if isinstance(item, slice) else None
            for item, size in zip(items, self.shape, strict=True)
        ]
        plain = [item for item in bounds if item is not None and item.step == 1]
        if len(plain) == len(bounds):
            return self._part(plain)
        whole = self._part([slice(0, size) for size in self.shape])
        return np.asarray(whole[tuple(items)], order="C")

    @abstractmethod
    def _part(self, bounds: list[slice]) -> NDArray[Any]:
        """Return what lies within bounds on every axis."""


class Joined(Lazy):
    """Planes side by side along one axis."""

    def __init__(self, parts: Sequence[Any], axis: int) -> None:
        first = parts[0]
        self.axis = axis % len(first.shape)
        self.parts = tuple(parts)
        lengths = [part.shape[self.axis] for part in parts]
        self.edges = np.cumsum([0, *lengths]).tolist()
        self.dtype = np.dtype(first.dtype)
        shape = list(first.shape)
        shape[self.axis] = self.edges[-1]
        self.shape = tuple(shape)

    def _part(self, bounds: list[slice]) -> NDArray[Any]:
        wanted = bounds[self.axis]
        out = np.empty([max(0, item.stop - item.start) for item in bounds], self.dtype)
        for part, start, stop in zip(self.parts, self.edges, self.edges[1:], strict=False):
            first, last = max(start, wanted.start), min(stop, wanted.stop)
            if first >= last:
                continue
            there, here = list(bounds), [slice(None)] * len(bounds)
            there[self.axis] = slice(first - start, last - start)
            here[self.axis] = slice(first - wanted.start, last - wanted.start)
            out[tuple(here)] = part[tuple(there)]
        return out


class EveryNth(Lazy):
    """Every so many of the planes along the first axis, beginning with one of them."""

    def __init__(self, plane: Any, first: int, step: int) -> None:
        self.plane, self.places = plane, range(first, plane.shape[0], step)
        self.dtype = np.dtype(plane.dtype)
        self.shape = (len(self.places), *plane.shape[1:])

    def _part(self, bounds: list[slice]) -> NDArray[Any]:
        out = np.empty([max(0, item.stop - item.start) for item in bounds], self.dtype)
        for row, place in enumerate(self.places[bounds[0]]):
            out[row] = self.plane[(slice(place, place + 1), *bounds[1:])][0]
        return out


def side_by_side(plane: Any, stripes: Stripes, *, integrations: bool = True) -> Any:
    """Return the planes of a super-stripe's integrations as those of the whole sub-array.

    Parameters
    ----------
    plane : array-like (n_int * n_position, …, ny, nx) or (ny, nx)
        As a file has it, one position after the other; without axes before rows, the same for all.
    stripes : Stripes
        How the frame is put together.
    integrations : bool
        False for what belongs to all integrations: (n_position, ny, nx) or (ny, nx).

    Returns
    -------
    array-like (n_int, …, ny, nx) or (ny, nx)
        With the lines of all positions.
    """
    count = stripes.positions
    if integrations:
        parts = [EveryNth(plane, place, count) for place in range(count)]
    else:
        parts = [plane if len(plane.shape) == 2 else plane[place] for place in range(count)]
    return Joined(parts[::-1] if stripes.backwards else parts, -2 if stripes.along_rows else -1)


def one_by_one(plane: NDArray[Any], stripes: Stripes) -> NDArray[Any]:
    """Return planes of the whole sub-array as those of a super-stripe's positions.

    Parameters
    ----------
    plane : array (n_int, …, ny, nx) or (ny, nx)
        With the lines of all positions side by side.
    stripes : Stripes
        How the frame is put together.

    Returns
    -------
    array (n_int * n_position, …, ny, nx) or (n_position, ny, nx)
        One position after the other.
    """
    parts = stripes.parts(apart=False)[:: -1 if stripes.backwards else 1]
    split = [plane[..., part, :] if stripes.along_rows else plane[..., part] for part in parts]
    if plane.ndim == 2:
        return np.stack(split)
    return np.stack(split, axis=1).reshape(-1, *split[0].shape[1:])


def lines_of(plane: Any, stripes: Stripes, first: int, across: slice) -> Any:
    """Return the lines of a plane of the detector that a frame is made of.

    Parameters
    ----------
    plane : array-like (…, ny, nx)
        May be lazy.
    stripes : Stripes
        How the frame is put together.
    first : int
        Line of the detector that is the plane's first.
    across : slice
        What of each line lies in the frame.
    """
    lines = stripes.lines - first
    breaks = np.flatnonzero(np.diff(lines) != 1) + 1
    runs = [slice(int(run[0]), int(run[-1]) + 1) for run in np.split(lines, breaks)]
    windows = [(run, across) if stripes.along_rows else (across, run) for run in runs]
    parts = [
        plane.within(*window) if hasattr(plane, "within") else plane[(..., *window)]
        for window in windows
    ]
    return Joined(parts, -2 if stripes.along_rows else -1)
