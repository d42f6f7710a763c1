"""Bands of rows: why calcore is fast and small.

A chain of by-rows steps reads a band of rows that fits in the processor's cache, with the sum of
the steps' halos, passes it through all steps, and keeps the rows in the middle. Each band is
independent of every other, so the result is the same to the bit for any band height and any number
of threads. In long series of short ramps even a few rows are too much for the cache: bands are cut
to tiles there, which have a halo on all sides. Files hold whole rows, so what several tiles need is
read at once, and waits in memory as the file has it.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from calcore.model import Kept, Meta, Record, Reference, Window
from calcore.model.confirmed import confirmed
from calcore.model.layout import Plane, fields_of
from calcore.model.record import map_records
from calcore.run.flagged import Flagged, added, joined
from calcore.run.frames import Frames
from calcore.step import ALONE, Room, Rows, Step, accepted, diet_of


@dataclass(frozen=True, eq=False)
class Link:
    """A built step with all that its `apply` is given but the flow.

    `given` maps argument names to references (whole, possibly lazy) and other values; `room` is for
    the step's frame-wide parts.
    """

    slot: str
    step: Step
    given: Mapping[str, Any] = field(default_factory=dict)
    rows: Rows = field(default_factory=Rows)
    room: Room = ALONE

    def apply(self, flow: Any) -> Any:
        """Apply the step to what flows; a result made of several records is mapped over."""
        kind: Any = type(self.step)
        wanted = diet_of(kind).flow
        if is_dataclass(flow) and not isinstance(flow, Record | wanted):
            return map_records(
                flow, lambda part: self.apply(part) if isinstance(part, wanted) else part
            )
        return confirmed(self.step, self.step.apply(flow, **self.step.cut(self.given, flow.frame)))

    def wants(self, part: Callable[..., Any]) -> dict[str, Any]:
        """Return what a frame-wide part of the step, `prepare` or `finish`, asks for."""
        return accepted(part, {**self.given, "room": self.room})

    def fetched(self, window: Window) -> "Link":
        """Return the link with what it takes of references for a window, read from their files."""
        given = {
            name: value.fetched(window) if isinstance(value, Reference | Kept) else value
            for name, value in self.given.items()
        }
        return replace(self, given=given)

    def confirm(self, flow: Any) -> None:
        """Show a step what flows into it.

        Raises
        ------
        Revised
            It is not what the step's frame-wide first part made it expect.
        """
        kind: Any = type(self.step)
        name = diet_of(kind).prepared
        if name is None or not isinstance(flow, Record):
            return
        revised = self.step.revised(self.given[name], flow)
        if revised is not self.given[name]:
            raise Revised(self.slot, {name: revised})


class Revised(Exception):
    """A band shows that a link must be given something else, and the bands be done again."""

    def __init__(self, slot: str, given: Mapping[str, Any]) -> None:
        super().__init__(slot)
        self.slot, self.given = slot, given


class Tally:
    """What bands leave beside what flows; safe to use from threads.

    Counts, flags and times of links are summed; what links keep for the next exposure is put together.
    """

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, int]] = {}
        self.flagged: dict[str, Flagged] = {}
        self.seconds: dict[str, float] = {}
        self._kept: dict[str, Frames] = {}
        self._lock = threading.Lock()

    def add(
        self, slot: str, counts: Mapping[str, int], seconds: float, flagged: Flagged | None = None
    ) -> None:
        """Add one band's counts, time, and the flags it got."""
        with self._lock:
            joined(self.flagged.setdefault(slot, {}), flagged or {})
            self.seconds[slot] = self.seconds.get(slot, 0.0) + seconds
            own = self.counts.setdefault(slot, {})
            for name, count in counts.items():
                own[name] = own.get(name, 0) + int(count)

    def keep(self, slot: str, kept: Kept, window: Window, frame: Window) -> None:
        """Add what a link keeps of one band of a frame."""
        with self._lock:
            frames = self._kept.setdefault(slot, Frames(frame, None))
        frames.put(kept.view(window), window)

    @property
    def kept(self) -> dict[str, Kept]:
        """What links keep of the whole frame, by slot."""
        return {slot: frames.result for slot, frames in self._kept.items()}


def parted(result: Any) -> tuple[Any, Kept | None]:
    """Part what flows on from what a step with state keeps for the next exposure."""
    if isinstance(result, Record) or not is_dataclass(result):
        return result, None
    parts = [getattr(result, item.name) for item in fields(result)]
    kept = next((part for part in parts if isinstance(part, Kept)), None)
    if kept is None:
        return result, None
    return next(part for part in parts if part is not kept), kept


class Chain:
    """A record, lazy or in memory, and the by-rows links that it passes through.

    `frame` is the whole frame, of which the source holds all or a part.
    """

    def __init__(
        self, source: Record, links: tuple[Link, ...] = (), frame: Window | None = None
    ) -> None:
        self.source, self.links, self.frame = source, links, frame or source.frame

    @property
    def meta(self) -> Meta:
        """Metadata of what enters the chain."""
        return self.source.meta

    @property
    def bytes_per_pixel(self) -> int:
        """What all planes of one pixel take: its samples, most of the time."""
        kind: Any = type(self.source)
        planes = (getattr(self.source, name) for name in fields_of(kind, Plane))
        return sum(math.prod(p.shape[:-2]) * p.dtype.itemsize for p in planes if p is not None)

    @property
    def halo(self) -> int:
        """Rows that the links together look beyond a band."""
        return sum(link.rows.halo for link in self.links)

    @property
    def whole_rows(self) -> bool:
        """True if a link needs rows as a whole."""
        return any(link.rows.whole for link in self.links)

    def read(self, window: Window, tally: Tally | None = None) -> Any:
        """Return `window` as it leaves the last link, in contiguous arrays."""
        return _trim(self._read(window, tally), window)

    def glance(self, window: Window, tally: Tally) -> Any:
        """Return `window` as it leaves the last link, as a view without copies."""
        return _view(self._read(window, tally), window)

    def fetched(self, window: Window) -> "Chain":
        """Return the chain for a part of the frame, with all that this takes read from files."""
        grown, frame = self._around(window), self.frame
        return Chain(
            self.source.fetched(grown), tuple(link.fetched(grown) for link in self.links), frame
        )

    def _around(self, window: Window) -> Window:
        """Return what the links look at for a window."""
        grown = window.grown(self.halo)
        return grown.with_whole_rows() if self.whole_rows else grown

    def _read(self, window: Window, tally: Tally | None) -> Any:
        """Return `window` and what is around it, of which only the window is right."""
        flow: Any = self.source.cut(self._around(window))
        for link in self.links:
            begun = time.perf_counter()
            link.confirm(_view(flow, window))
            before = flow
            flow, kept = parted(link.apply(before))
            if tally is not None:
                if kept is not None:
                    tally.keep(link.slot, kept, window, self.frame)
                counts = link.step.tally(_view(flow, window))
                seconds = time.perf_counter() - begun
                tally.add(link.slot, counts, seconds, added(before, flow, window))
        return flow

    def then(self, link: Link) -> "Chain":
        """Return the chain with one more link, whose frame-wide first part is done here.

        That asks for parts of the frame, which pass through the links that there are.
        """
        kind: Any = type(link.step)
        name = diet_of(kind).prepared
        if name is not None:
            prepared = self.settled(lambda: self._prepared(link))
            link = replace(link, given={**link.given, name: prepared})
        return Chain(self.source, (*self.links, link))

    def _prepared(self, link: Link) -> Any:
        step = link.step
        regions = step.regions(self.meta, self.frame)
        if step.any_parts and not self.links and self.source.in_memory:
            regions = [self.frame]  # takes no copies
        room = self._waiting(regions, link.room) if isinstance(regions, Sequence) else ALONE
        with closing(room.ahead(self.read, regions)) as parts:
            return step.prepare(self.meta, parts, **link.wants(step.prepare))

    def _waiting(self, regions: Sequence[Window], room: Room) -> Room:
        """Return room for parts that wait until they are asked for; large ones do not."""
        pixels = max((math.prod(window.shape) for window in regions), default=1)
        return Room(min(room.threads, _WAITING // (self.bytes_per_pixel * pixels)))

    def settled(self, work: Callable[[], Any]) -> Any:
        """Return what `work` returns, done again as long as it finds that links need revision."""
        while True:
            try:
                return work()
            except Revised as found:
                self.links = tuple(
                    replace(link, given={**link.given, **found.given})
                    if link.slot == found.slot
                    else link
                    for link in self.links
                )


_CACHE = 6 << 20
_BAND = 1 << 23
_TALL = 14 << 20
_HELD = 1 << 25
_WAITING = 1 << 27
_LOW, _NARROW = 16, 64
_TIMES = 8


@dataclass(frozen=True)
class Tiling:
    """How a frame is cut: rows and columns of a tile, and columns of what is read at once."""

    rows: int
    columns: int
    reading: int

    @classmethod
    def bands(cls, frame: Window, rows: int) -> "Tiling":
        """Return bands of whole rows."""
        return cls(rows, frame.frame_columns, frame.frame_columns)

    @classmethod
    def of(
        cls, frame: Window, bytes_per_pixel: int, halo: int, *, whole_rows: bool = False
    ) -> "Tiling":
        """Return tiles that fit in the processor's cache, not much less than eight halos high and wide.

        Rows of a halo are worked on twice. Bands that leave the cache for that are higher still, unless
        they become too large.

        Parameters
        ----------
        frame : Window
            The whole frame.
        bytes_per_pixel : int
            What of a band one pixel holds.
        halo : int
            Rows and columns that links look beyond a tile.
        whole_rows : bool
            Whether a link needs rows as a whole; there are as few in a band as memory asks for.
        """
        height, width = frame.frame_rows, frame.frame_columns
        row = bytes_per_pixel * width
        rows = max(_CACHE // row, _LOW)
        if rows < 8 * halo:
            rows = max(8 * halo, min(16 * halo, _TALL // row))
        rows = min(rows, height)
        if rows * row <= _TALL:
            return cls.bands(frame, rows)
        if whole_rows:
            return cls.bands(frame, min(rows, max(1, _HELD // row)))
        rows = -(-height // (height // rows))
        narrow = min(max(_BAND // (bytes_per_pixel * rows), _NARROW, 8 * halo), width)
        parts = min(-(-row * rows // _HELD), width // narrow, _TIMES)  # each reads whole rows
        tiles = -(-width // (parts * narrow))  # of each part, all of one size
        columns = -(-width // (parts * tiles))
        return cls(rows, columns, columns * tiles)


def collect(
    chain: Chain,
    tiling: Tiling,
    threads: int,
    tally: Tally,
    advanced: Callable[[int, int], None] | None = None,
    memory_budget: int | None = None,
) -> Any:
    """Pass the whole frame through a chain, band by band, and return the whole result.

    Parameters
    ----------
    chain : Chain
        What to read from.
    tiling : Tiling
        How the frame is cut.
    threads : int
        How many parts are worked on at once.
    tally : Tally
        Where the links' counts and times are added up.
    advanced : callable
        Told how many of how many parts are done.
    memory_budget : int, optional
        Planes of samples that would need more than this [bytes] in all are kept in scratch files.

    Returns
    -------
    record, or a frozen dataclass of records
        What the last link returns, on whole frames; its metadata with what was counted.
    """
    frame = chain.frame
    parts = list(frame.tiles(tiling.rows, tiling.reading))
    told = advanced or _nobody

    def attempt() -> Any:
        frames = Frames(frame, memory_budget)
        tally.counts.clear()
        tally.flagged.clear()

        def work(part: Window) -> None:
            tiles = list(part.tiles(tiling.rows, tiling.columns))
            near = chain.fetched(part) if len(tiles) > 1 else chain
            for tile in tiles:
                frames.put(near.glance(tile, tally), tile)

        if threads <= 1 or len(parts) == 1:
            for done, part in enumerate(parts, 1):
                work(part)
                told(done, len(parts))
        else:
            with ThreadPoolExecutor(threads) as pool:
                for done, _ in enumerate(pool.map(work, parts), 1):
                    told(done, len(parts))
        return frames.result

    return chain.settled(attempt)


def counted(step: Step, whole: Record, tiling: Tiling, room: Room) -> dict[str, int]:
    """Return what a step counts in a whole frame, which is looked at tile by tile on all threads.

    What it does not count in every tile, since only `apply` knows it, is left out.
    """
    tiles = whole.frame.tiles(tiling.rows, tiling.columns)
    bands = list(room.ahead(lambda tile: step.tally(whole.view(tile)), tiles))
    names = set(bands[0]).intersection(*bands)
    return {name: sum(int(counts[name]) for counts in bands) for name in names}


def _nobody(done: int, total: int) -> None:
    """Tell nobody."""


def with_header(result: Any, link: Link, tally: Tally) -> Any:
    """Return a result whose metadata hold what a link counted."""

    def marked(record: Record) -> Record:
        counts = tally.counts.get(link.slot, {})
        return record.replace(meta=link.step.header(record.meta, counts))

    return map_records(result, marked)


def _trim(result: Any, window: Window) -> Any:
    """Return a result without its halo."""
    if isinstance(result, Record):
        return result if result.frame == window else result.cut(window)
    return map_records(result, lambda record: _trim(record, window))


def _view(result: Any, window: Window) -> Any:
    """Return a result without its halo, without copying a pixel."""
    return map_records(result, lambda record: record.view(window))
