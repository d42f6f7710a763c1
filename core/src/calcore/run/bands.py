"""Bands of rows: why calcore is fast and small.

A chain of by-rows steps reads a band of rows that fits in the processor's cache, with the sum of
the steps' halos, passes it through all steps, and keeps the rows in the middle. Each band is
independent of every other, so the result is the same to the bit for any band height and any number
of threads.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import numpy as np

from calcore.model import Meta, Record, Reference, Window
from calcore.model.layout import Plane, fields_of
from calcore.step import Step, accepted, diet_of


@dataclass(frozen=True, eq=False)
class Link:
    """A built step with all that its `apply` is given but the flow.

    `given` maps argument names to references (whole, possibly lazy) and other values.
    """

    slot: str
    step: Step
    given: Mapping[str, Any] = field(default_factory=dict)
    halo: int = 0

    def apply(self, flow: Any) -> Any:
        """Apply the step to what flows; a result made of several records is mapped over."""
        kind: Any = type(self.step)
        wanted = diet_of(kind).flow
        if is_dataclass(flow) and not isinstance(flow, Record | wanted):
            return map_records(
                flow, lambda part: self.apply(part) if isinstance(part, wanted) else part
            )
        arguments = {
            name: value.cut(flow.frame) if isinstance(value, Reference) else value
            for name, value in self.given.items()
        }
        return self.step.apply(flow, **arguments)


class Tally:
    """Counts and times of links, summed over bands; safe to use from threads."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, int]] = {}
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, slot: str, counts: Mapping[str, int], seconds: float) -> None:
        """Add one band's counts and time."""
        with self._lock:
            self.seconds[slot] = self.seconds.get(slot, 0.0) + seconds
            own = self.counts.setdefault(slot, {})
            for name, count in counts.items():
                own[name] = own.get(name, 0) + int(count)


class Chain:
    """A record, lazy or in memory, and the by-rows links that it passes through.

    `overlay` holds whole planes that replace what the links compute, for a chain whose last step
    had a frame-wide end and whose ramp is computed anew rather than kept.
    """

    def __init__(
        self,
        source: "Record | Chain",
        links: tuple[Link, ...] = (),
        overlay: Mapping[str, Any] | None = None,
    ) -> None:
        self.source, self.links, self.overlay = source, links, dict(overlay or {})

    @property
    def frame(self) -> Window:
        """The whole frame."""
        return self.source.frame

    @property
    def meta(self) -> Meta:
        """Metadata of what enters the chain."""
        return self.source.meta

    @property
    def halo(self) -> int:
        """Rows that the links together look beyond a band."""
        return sum(link.halo for link in self.links)

    def read(self, window: Window, tally: Tally | None = None) -> Any:
        """Return `window` as it leaves the last link."""
        grown = window.grown(self.halo)
        source = self.source
        flow = source.read(grown) if isinstance(source, Chain) else source.cut(grown)
        for link in self.links:
            begun = time.perf_counter()
            flow = link.apply(flow)
            if tally is not None:
                counts = link.step.tally(_view(flow, window))
                tally.add(link.slot, counts, time.perf_counter() - begun)
        flow = _trim(flow, window)
        if self.overlay:
            rows, columns = window.rows, window.columns
            planes = {name: plane[..., rows, columns] for name, plane in self.overlay.items()}
            flow = flow.replace(**{n: np.ascontiguousarray(p) for n, p in planes.items()})
        return flow

    def then(self, link: Link) -> "Chain":
        """Return the chain with one more link, whose frame-wide first part is done here.

        The first part asks for parts of the frame; those it does not ask for are never computed.
        """
        kind: Any = type(link.step)
        name = diet_of(kind).prepared
        if name is not None:
            step = link.step
            parts = (self.read(window) for window in step.regions(self.meta, self.frame))
            wants = accepted(step.prepare, link.given)
            prepared = step.prepare(self.meta, parts, **wants)
            link = replace(link, given={**link.given, name: prepared})
        return Chain(self.source, (*self.links, link), self.overlay)


def band_rows(frame: Window, bytes_per_row: int, halo: int) -> int:
    """Return a height of bands that fit in the processor's cache and are eight halos high."""
    cache = 6 << 20
    return max(1, min(frame.frame_rows, max(cache // max(bytes_per_row, 1), 16, 8 * halo)))


def collect(
    chain: Chain,
    height: int,
    threads: int,
    tally: Tally,
    advanced: Callable[[int, int], None] | None = None,
) -> Any:
    """Pass the whole frame through a chain, band by band, and return the whole result.

    Parameters
    ----------
    chain : Chain
        What to read from.
    height : int
        Rows of a band.
    threads : int
        How many bands are worked on at once.
    tally : Tally
        Where the links' counts and times are added up.
    advanced : callable
        Told how many of how many bands are done.

    Returns
    -------
    record, or a frozen dataclass of records
        What the last link returns, on whole frames; its metadata with what was counted.
    """
    frame = chain.frame
    windows = list(_bands(frame, height))
    frames = _Frames(frame)
    told = advanced or _nobody

    def work(window: Window) -> None:
        frames.put(chain.read(window, tally), window)

    if threads <= 1 or len(windows) == 1:
        for done, window in enumerate(windows, 1):
            work(window)
            told(done, len(windows))
    else:
        with ThreadPoolExecutor(threads) as pool:
            for done, _ in enumerate(pool.map(work, windows), 1):
                told(done, len(windows))
    return frames.result


def _nobody(done: int, total: int) -> None:
    """Tell nobody."""


def with_header(result: Any, link: Link, tally: Tally) -> Any:
    """Return a result whose metadata hold what a link counted."""

    def marked(record: Record) -> Record:
        counts = tally.counts.get(link.slot, {})
        return record.replace(meta=link.step.header(record.meta, counts))

    return map_records(result, marked)


def map_records(result: Any, change: Callable[[Any], Any]) -> Any:
    """Apply a change to a record, or to each record of a dataclass of records."""
    if isinstance(result, Record):
        return change(result)
    parts = {
        item.name: change(part)
        for item in fields(result)
        if isinstance(part := getattr(result, item.name), Record)
    }
    return replace(result, **parts)


def _bands(frame: Window, height: int) -> Iterator[Window]:
    for start in range(frame.row_start, frame.row_stop, height):
        yield frame.with_rows(start, min(start + height, frame.row_stop))


def _trim(result: Any, window: Window) -> Any:
    """Return a result without its halo."""
    if isinstance(result, Record):
        return result if result.frame == window else result.cut(window)
    return map_records(result, lambda record: _trim(record, window))


def _view(result: Any, window: Window) -> Any:
    """Return a result without its halo, without copying a pixel."""
    return map_records(result, lambda record: record.view(window))


class _Frames:
    """Whole frames that fill up band by band."""

    def __init__(self, frame: Window) -> None:
        self._frame = frame
        self._first: Any = None
        self._planes: dict[tuple[str, str], np.ndarray[Any, Any]] = {}
        self._lock = threading.Lock()

    def put(self, result: Any, window: Window) -> None:
        """Copy one band to its place."""
        with self._lock:
            if not self._planes:
                self._allocate(result)
            if window.row_start == self._frame.row_start:
                self._first = result
        for path, record in _records(result):
            kind: Any = type(record)
            for name in fields_of(kind, Plane):
                plane = getattr(record, name)
                if plane is not None:
                    self._planes[path, name][..., window.rows, window.columns] = plane

    def _allocate(self, result: Any) -> None:
        size = self._frame.frame_rows, self._frame.frame_columns
        for path, record in _records(result):
            kind: Any = type(record)
            for name in fields_of(kind, Plane):
                plane = getattr(record, name)
                if plane is not None:
                    self._planes[path, name] = np.empty((*plane.shape[:-2], *size), plane.dtype)

    @property
    def result(self) -> Any:
        """The first band's record with whole planes."""
        parts: dict[str, Record] = {}
        for path, record in _records(self._first):
            planes = {name: plane for (p, name), plane in self._planes.items() if p == path}
            parts[path] = record.replace(window=None, **planes)
        return parts[""] if isinstance(self._first, Record) else replace(self._first, **parts)


def _records(result: Any) -> Iterator[tuple[str, Record]]:
    if isinstance(result, Record):
        yield "", result
        return
    for item in fields(result):
        part = getattr(result, item.name)
        if isinstance(part, Record):
            yield item.name, part
