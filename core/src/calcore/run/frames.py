"""Whole frames that fill up part by part."""

import math
import threading
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np

from calcore.model import Record, Window
from calcore.model.layout import Plane, fields_of
from calcore.run.scratch import ScratchPlane

_SMALL = 1 << 26
"""Planes that take less [byte], and less than a third of the memory there is, stay there."""


class Frames:
    """Whole frames that fill up part by part, in memory or, if they are too big, in files.

    Planes that need more than `memory_budget` [byte] in all are kept in files; those of a ramp only
    if they are large and hold samples.
    """

    def __init__(self, frame: Window, memory_budget: int | None) -> None:
        self._frame, self._budget = frame, memory_budget
        self._first: Any = None
        self._planes: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def put(self, result: Any, window: Window) -> None:
        """Copy one part to its place."""
        with self._lock:
            if not self._planes:
                self._allocate(result)
            own = self._frame.row_start, self._frame.column_start
            if (window.row_start, window.column_start) == own:
                self._first = result
        for path, name, values in _planes(result):
            plane = self._planes[path, name]
            if isinstance(plane, ScratchPlane):
                plane.put(values, window)
            else:
                plane[..., window.rows, window.columns] = values

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
            if large and not fits:
                self._planes[key] = ScratchPlane(shape, dtype)
            else:
                self._planes[key] = np.empty(shape, dtype)

    @property
    def result(self) -> Any:
        """The first part's record with whole planes."""
        parts: dict[str, Record] = {}
        for path, record in _records(self._first):
            planes = {name: plane for (p, name), plane in self._planes.items() if p == path}
            parts[path] = record.replace(window=None, **planes)
        return parts[""] if isinstance(self._first, Record) else replace(self._first, **parts)


def _planes(result: Any) -> Iterator[tuple[str, str, np.ndarray[Any, Any]]]:
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
