"""Showers: large faint glows about hits in the mid-infrared, most of it too faint to be found as jumps.

The method of M. Regan (2023, JWST-STScI-008545; the JWST documentation's jump page): differences of
successive groups, as multiples of their noise, are averaged over a ring about each pixel; where the
average stands out over a large area, an ellipse about the area is flagged for a while.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels._shower_rings import above, deviations
from calcore.kernels.regions import Regions, find_regions

Rows = tuple[slice, slice, slice]
Each = Callable[[Callable[[Any], None], Iterable[Any]], None]
GroupFlags = NDArray[np.uint8]
Image = NDArray[np.float32]

_SAT, _JUMP = int(DQ.SATURATED), int(DQ.JUMP_DET)
_HIDDEN = np.uint8(DQ.DO_NOT_USE | DQ.SATURATED | DQ.JUMP_DET)
_REFERENCE = np.uint32(DQ.REFERENCE_PIXEL)
_BLOCK = 64  # rows worked on at a time


@dataclass(frozen=True, kw_only=True)
class Showers:
    """What makes a shower, and how far and how long it reaches.

    Attributes
    ----------
    min_ratio : float
        Least average over a ring of the deviations from the median, over their noise.
    min_area : float
        Smallest area of connected pixels with such averages, holes included [pixel].
    inner_radius, ring_width : float
        Pixels from the first to the sum of both, both included, make the ring [pixel].
    expand_factor : float
        The minor axis grows by this factor, the major axis by as many pixels.
    max_extended_radius : float
        Largest half axis that anything grows to [pixel].
    next_groups : int
        So many groups after the shower are flagged as well.
    min_differences : int
        With fewer differences in all integrations, none is sought: their median is too poor.
    """

    min_ratio: float = 1.2
    min_area: float = 90.0
    inner_radius: float = 1.0
    ring_width: float = 2.6
    expand_factor: float = 1.1
    max_extended_radius: float = 200.0
    next_groups: int = 0
    min_differences: int = 10


def one_after_another(work: Callable[[Any], None], items: Iterable[Any]) -> None:
    """Do some work for each item."""
    for item in items:
        work(item)


def flag_showers(
    data: Any,
    groupdq: GroupFlags,
    pixeldq: NDArray[np.uint32],
    gain: Image,
    readnoise: Image,
    *,
    n_frames: int = 1,
    max_change: Image | float = np.inf,
    settings: Showers,
    each: Each = one_after_another,
) -> tuple[GroupFlags, int]:
    """Flag showers, and the groups in which they fade.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal of the whole frame [DN]; sliced as ``data[..., rows, columns]`` only. A value that is
        not finite takes no part.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags with jumps. Samples with DO_NOT_USE, SATURATED or JUMP_DET take no part.
    pixeldq : uint32 (ny, nx)
        Pixels with one of these flags do not take part, nor reference pixels without other flags.
    gain : float32 (ny, nx)
        Gain [electron/DN]; a pixel takes no part where it is NaN.
    readnoise : float32 (ny, nx)
        Noise of the difference of two reads [DN]; as gain.
    n_frames : int
        Reads averaged into a group.
    max_change : float32 (ny, nx) or float
        A pixel keeps its new flags only if they change the mean of its differences by no more
        than this: showers are faint [electron].
    settings : Showers
    each : callable
        Does some work for each item of an iterable, perhaps on several threads.

    Returns
    -------
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags with JUMP_DET in the ellipses about showers. Samples with SATURATED, and what
        follows them, get none, nor do ramps of which nothing would be left. The flags that were
        given, if there is no shower.
    count : int
        Showers found.

    Notes
    -----
    The noise of a difference is as in `calcore.kernels.jump_twopoint.find_jumps`, with the median of
    all usable differences of the pixel. Beyond the frame deviations are 0.
    """
    if _differences(groupdq) < settings.min_differences:
        return groupdq, 0
    marked = _marked(data, groupdq, pixeldq, gain, readnoise, n_frames, settings, each)
    found: dict[tuple[int, ...], Regions] = {}

    def find(place: tuple[int, ...]) -> None:
        found[place] = find_regions(marked[place], settings.min_area)

    each(find, np.ndindex(marked.shape[:2]))
    count = sum(len(regions) for regions in found.values())
    if not count:
        return groupdq, 0
    out = groupdq.copy()
    for (integration, difference), regions in sorted(found.items()):
        _paint(out[integration, difference + 1 :], regions, settings)
    limit = np.broadcast_to(np.float32(max_change), pixeldq.shape)
    _restore(data, groupdq, pixeldq, gain, limit, out, each)
    return out, count


def _differences(groupdq: GroupFlags) -> int:
    """Count the differences of groups that not every pixel has lost."""
    dropped = np.uint8(DQ.DO_NOT_USE)
    usable = [1 for flags in groupdq for group in flags if not (group & dropped).all()]
    return len(usable) - len(groupdq)


def _paint(flags: GroupFlags, showers: Regions, settings: Showers) -> None:
    """Flag grown ellipses in the first of the groups given and in those that follow."""
    if not len(showers):
        return
    rows, columns = flags.shape[1:]
    free = np.zeros((rows, columns), np.uint8)
    limit, factor = settings.max_extended_radius, settings.expand_factor
    for number in range(len(showers)):
        minor = float(showers.minor[number])
        major = float(showers.major[number]) + (factor - 1) * minor
        showers.ellipse(number, min(major, limit), min(factor * minor, limit)).paint(free, _JUMP)
    for group in range(min(settings.next_groups + 1, len(flags))):
        free[(flags[group] & np.uint8(_SAT)) != 0] = 0
        flags[group] |= free


def _ring(settings: Showers) -> NDArray[np.int64]:
    """Return the ring as runs (n_run, 3): row, first column and end; or with both exchanged."""
    inner, outer = settings.inner_radius, settings.inner_radius + settings.ring_width
    reach = int(outer)
    runs: list[tuple[int, int, int]] = []
    for row in range(-reach, reach + 1):
        columns = np.arange(-reach - 1, reach + 2)
        distance = np.hypot(row, columns)
        inside = (distance >= inner) & (distance <= outer) & (abs(columns) <= reach)
        edges = np.flatnonzero(np.diff(inside.astype(np.int8)))
        runs += [
            (row, int(columns[first + 1]), int(columns[end + 1]))
            for first, end in edges.reshape(-1, 2)
        ]
    return np.array(runs, np.int64).reshape(-1, 3)


def _blocks(rows: int, halo: int) -> Iterator[Rows]:
    """Yield rows, the same with a halo as far as the frame reaches, and their place therein."""
    for start in range(0, rows, _BLOCK):
        stop = min(start + _BLOCK, rows)
        first, last = max(0, start - halo), min(rows, stop + halo)
        yield slice(start, stop), slice(first, last), slice(start - first, stop - first)


def _marked(
    data: Any,
    groupdq: GroupFlags,
    pixeldq: NDArray[np.uint32],
    gain: Image,
    readnoise: Image,
    n_frames: int,
    settings: Showers,
    each: Each,
) -> NDArray[np.bool_]:
    """Return where averages over the ring stand out, (n_int, n_group - 1, ny, nx)."""
    n_int, n_group, rows, columns = groupdq.shape
    out = np.zeros((n_int, n_group - 1, rows, columns), np.bool_)
    ring = _ring(settings)
    halo = int(abs(ring[:, 0]).max()) if ring.size else 0
    hidden = ((pixeldq & _HIDDEN) != 0) | (pixeldq == _REFERENCE)

    def mark(block: Rows) -> None:
        here, around, place = block
        deviation = deviations(
            data, groupdq, around, hidden[around], gain[around],
            (readnoise[around] * gain[around]) ** 2 / np.float32(n_frames), unusable=int(_HIDDEN),
        )  # fmt: skip
        out[..., here, :] = above(deviation, settings.min_ratio, ring, place)

    each(mark, _blocks(rows, halo))
    return out


def _restore(
    data: Any,
    groupdq: GroupFlags,
    pixeldq: NDArray[np.uint32],
    gain: Image,
    limit: Image,
    out: GroupFlags,
    each: Each,
) -> None:
    """Give pixels their flags back whose mean difference the new ones change by too much."""
    reference = pixeldq == _REFERENCE

    def restore(block: Rows) -> None:
        here = block[0]
        new, old = out[..., here, :], groupdq[..., here, :]
        touched = (new != old).any(axis=1)
        if not touched.any():
            return
        signals = data[..., here, slice(0, pixeldq.shape[1])]
        for number, pixels in enumerate(touched):
            y, x = np.nonzero(pixels)
            signal = signals[number][:, y, x] * gain[here][y, x]
            signal[:, reference[here][y, x]] = np.nan
            before = _mean_difference(signal, old[number][:, y, x])
            after = _mean_difference(signal, new[number][:, y, x])
            # A mean that is not known is no small change.
            lost = ~(np.abs(after - before) <= limit[here][y, x])
            new[number][:, y[lost], x[lost]] = old[number][:, y[lost], x[lost]]

    each(restore, _blocks(pixeldq.shape[0], 0))


def _mean_difference(signal: Image, flags: GroupFlags) -> NDArray[np.float64]:
    """Return the mean of usable differences of successive groups, the first axis."""
    differences = np.diff(np.where((flags & _HIDDEN) == 0, signal, np.nan), axis=0)
    known = np.isfinite(differences)
    total = np.where(known, differences, 0).sum(axis=0, dtype=np.float64)
    number = known.sum(axis=0)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
