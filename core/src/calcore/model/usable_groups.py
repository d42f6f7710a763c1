"""How many groups of a ramp are of use, over a whole frame that is seen in parts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.model.exposure import Ramp
from calcore.model.window import Window

_UNUSABLE = np.uint8(DQ.DO_NOT_USE)


def dropped_rows(groupdq: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return in how many rows every pixel's group is unusable.

    Parameters
    ----------
    groupdq : uint8 (n_int, n_group, ny, nx)

    Returns
    -------
    int64 (n_int, n_group)
    """
    counts = np.zeros(groupdq.shape[:2], np.int64)
    middle = groupdq[..., groupdq.shape[-1] // 2] & _UNUSABLE
    maybe = np.nonzero(middle)
    integration, group, _ = (places[(groupdq[maybe] & _UNUSABLE).all(axis=-1)] for places in maybe)
    np.add.at(counts, (integration, group), 1)
    return counts


@dataclass(frozen=True)
class UsableGroups:
    """Groups that not every pixel of the frame has lost, at least so many in any integration.

    Attributes
    ----------
    least : int
        Usable groups of the integration that has fewest.
    total : int
        Usable groups of all integrations.
    n_int : int
        Integrations.
    frame : Window
        The whole frame.
    """

    least: int
    total: int
    n_int: int
    frame: Window


def opening_rows(frame: Window) -> Iterator[Window]:
    """Yield a few pixels, and then all rows in growing numbers, for who soon knows enough."""
    row, rows = 0, 4
    middle, columns = frame.frame_rows // 2, min(frame.frame_columns, 64)
    yield next(frame.with_rows(middle, min(middle + rows, frame.frame_rows)).tiles(rows, columns))
    while row < frame.frame_rows:
        yield frame.with_rows(row, min(row + rows, frame.frame_rows))
        row, rows = row + rows, min(2 * rows, 32)


def usable_groups(
    parts: Iterable[Ramp], limits: tuple[int, ...], total_limit: int = 0
) -> UsableGroups:
    """Count usable groups, reading no more parts than it takes.

    Parameters
    ----------
    parts : iterable of ramps
        The frame in parts; asked for one after the other.
    limits : tuple of int
        Numbers of groups that the count is to be compared with. What is returned lies on the right
        side of each of them, but need not be exact.
    total_limit : int
        The same for the count of all integrations together.
    """
    dropped: NDArray[np.bool_] | None = None
    least, total, n_int, frame = 0, 0, 0, Window.whole(0, 0)
    for part in parts:
        every = dropped_rows(part.groupdq) == part.groupdq.shape[2]
        dropped = every if dropped is None else dropped & every
        n_int, n_group = every.shape
        frame = Window.whole(part.frame.frame_rows, part.frame.frame_columns)
        least = int(n_group - dropped.sum(axis=1).max())
        total = int(every.size - dropped.sum())
        # Parts to come can only turn dropped groups into usable ones.
        clear = all(least >= limit or n_group < limit for limit in limits)
        if clear and (total >= total_limit or every.size < total_limit):
            break
    return UsableGroups(least, total, n_int, frame)


def count_usable(ramp: Ramp) -> dict[str, int]:
    """Return counts that add up over bands; `usable_of` reads the sum."""
    n_int, n_group, rows, columns = ramp.groupdq.shape
    counts = {"rows": rows, "pixels": rows * columns, "samples": n_int * n_group * rows * columns}
    lost = dropped_rows(ramp.groupdq)
    for integration, group in np.argwhere(lost):
        counts[f"dropped {integration} {group}"] = int(lost[integration, group])
    return counts


def usable_of(counts: Mapping[str, int], n_group: int) -> tuple[int, ...]:
    """Return how many groups of each integration are usable."""
    n_int = counts["samples"] // counts["pixels"] // n_group
    usable = [n_group] * n_int
    for name, rows in counts.items():
        if name.startswith("dropped ") and rows == counts["rows"]:
            usable[int(name.split()[1])] -= 1
    return tuple(usable)


@dataclass(frozen=True)
class Span:
    """First group and end of the groups that are not unusable in every pixel; None: all groups."""

    first: int
    end: int | None

    @property
    def length(self) -> int:
        """Number of groups."""
        return (self.end or 0) - self.first


def used_span(parts: Iterable[Ramp], enough: int | None = None) -> Span:
    """Return the groups that some pixel of some integration has.

    Only groups at the beginning and at the end are left out. Reads no more parts than it takes to
    know, or to find `enough` groups from first to end.
    """
    span = Span(0, 0)
    dropped: NDArray[np.bool_] | None = None
    for part in parts:
        every = (dropped_rows(part.groupdq) == part.groupdq.shape[2]).all(axis=0)
        dropped = every if dropped is None else dropped & every
        kept = np.flatnonzero(~dropped)
        if kept.size:
            span = Span(int(kept[0]), int(kept[-1]) + 1)
        if span.length >= (dropped.size if enough is None else min(enough, dropped.size)):
            break
    return span


def widened(span: Span, part: Ramp) -> Span:
    """Return the groups that a span or some pixel of a part has; `span` itself if it has all."""
    own = used_span([part])
    assert own.end is not None
    assert span.end is not None
    if own.length == 0 or (span.first <= own.first and own.end <= span.end):
        return span
    return Span(min(span.first, own.first), max(span.end, own.end))
