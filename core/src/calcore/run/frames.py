"""Whole frames that fill up part by part."""

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.model import Record, Window
from calcore.model.layout import Plane, fields_of
from calcore.run.scratch import ScratchPlane

_SMALL = 1 << 26
"""Planes that take less [byte], and less than a third of the memory there is, stay there."""


class Frames:
    """Whole frames that fill up part by part, in memory or, if they are too big, in files.

    Planes that need more than `memory_budget` [byte] in all are kept in files; those of a ramp only
    if they are large and hold samples. Planes of two records that have the same values, as the rate of
    an exposure and of its only integration, are held once.
    """

    def __init__(self, frame: Window, memory_budget: int | None) -> None:
        self._frame, self._budget = frame, memory_budget
        self._first: Any = None
        self._planes: dict[tuple[str, str], Any] = {}
        self._twins: dict[tuple[str, str], tuple[str, str]] = {}
        self._lock = threading.Lock()

    def put(self, result: Any, window: Window) -> None:
        """Copy one part to its place."""
        with self._lock:
            if not self._planes:
                self._allocate(result)
            own = self._frame.row_start, self._frame.column_start
            if (window.row_start, window.column_start) == own:
                self._first = result
        planes = {(path, name): values for path, name, values in _planes(result)}
        with self._parting(planes):
            for key, values in planes.items():
                plane = self._planes[key]
                if isinstance(plane, ScratchPlane):
                    plane.put(values, window)
                elif key not in self._twins:
                    plane[..., window.rows, window.columns] = values

    def _parting(self, planes: Mapping[tuple[str, str], Any]) -> AbstractContextManager[Any]:
        """Part twins that differ here; return what keeps others from it as long as there are any."""
        with self._lock:
            for key, other in tuple(self._twins.items()):
                if not _same(planes[key], planes[other]):
                    del self._twins[key]
                    self._planes[key] = self._planes[key].copy()
            return self._lock if self._twins else nullcontext()

    def _allocate(self, result: Any) -> None:
        size = self._frame.frame_rows, self._frame.frame_columns
        shapes = {
            (path, name): ((*values.shape[:-2], *size), values.dtype)
            for path, name, values in _planes(result)
        }
        sizes = {key: math.prod(shape) * dtype.itemsize for key, (shape, dtype) in shapes.items()}
        fits = self._budget is None or sum(sizes.values()) <= self._budget
        sampled = any(len(shape) > 2 for shape, _ in shapes.values())
        least = min((self._budget or 0) / 3, _SMALL)
        for key, (shape, dtype) in shapes.items():
            large = not sampled or (sizes[key] > least and len(shape) > 2)
            other = self._alike(key[1], sizes[key], dtype)
            if large and not fits:
                self._planes[key] = ScratchPlane(shape, dtype)
            elif other is not None:
                self._planes[key] = self._planes[other].reshape(shape)
                self._twins[key] = other
            else:
                self._planes[key] = np.empty(shape, dtype)

    def _alike(self, name: str, size: int, dtype: np.dtype[Any]) -> tuple[str, str] | None:
        """Return which plane that is there has a name, a size [byte] and a type of elements."""
        for key, plane in self._planes.items():
            here = isinstance(plane, np.ndarray) and key not in self._twins
            if here and (key[1], plane.nbytes, plane.dtype) == (name, size, dtype):
                return key
        return None

    @property
    def result(self) -> Any:
        """The first part's record with whole planes."""
        parts: dict[str, Record] = {}
        for path, record in _records(self._first):
            planes = {name: plane for (p, name), plane in self._planes.items() if p == path}
            parts[path] = record.replace(window=None, **planes)
        return parts[""] if isinstance(self._first, Record) else replace(self._first, **parts)


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays, but for axes of length one, are equal to the bit."""
    bits = f"u{one.itemsize}"
    return bool((one.reshape(other.shape).view(bits) == other.view(bits)).all())


def _planes(result: Any) -> Iterator[tuple[str, str, NDArray[Any]]]:
    for path, record in _records(result):
        kind: Any = type(record)
        for name in fields_of(kind, Plane):
            plane = getattr(record, name)
            if plane is not None:
                yield path, name, plane


def _records(result: Any) -> Iterator[tuple[str, Record]]:
    if isinstance(result, Record):
        yield "", result
        return
    for item in fields(result):
        part = getattr(result, item.name)
        if isinstance(part, Record):
            yield item.name, part
