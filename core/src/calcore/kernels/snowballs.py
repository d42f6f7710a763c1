"""Snowballs: large round events with a saturated core and a halo too faint to be found as jumps.

The method of M. Regan (2023, JWST-STScI-008545; the JWST documentation's jump page): ellipses about
connected jumps that have a freshly saturated core are enlarged; cores are enlarged too, and stay
flagged for a while in the next integration, where their charge decays.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels.regions import Regions, find_regions
from calcore.kernels.snowball_halos import Signal, halo_reach

GroupFlags = NDArray[np.uint8]

_SAT, _JUMP = int(DQ.SATURATED), int(DQ.JUMP_DET)


@dataclass(frozen=True, kw_only=True)
class Snowballs:
    """What makes a snowball, and how far it reaches.

    Attributes
    ----------
    min_jump_area, min_sat_area : float
        Smallest area of connected jumps, and of a saturated core, holes included [pixel].
    expand_factor : float
        The minor axis grows by this factor, the major axis by as many pixels.
    max_extended_radius : float
        Largest half axis that anything grows to, for `expand_factor` and `sat_expand` [pixel].
    sat_required : bool
        Only jumps about a saturated core, or near an edge, are snowballs. Without it cores are
        not looked at.
    min_sat_diameter_extend, sat_expand : float
        Cores whose minor axis is longer than the first grow by the second all around [pixel].
    edge_size : float
        Within so many pixels of an edge the core may lie outside [pixel].
    min_edge_radius : float
        Jumps near an edge without a core in sight are snowballs from this half minor axis on;
        tracks of particles are thinner [pixel].
    next_groups : int
        So many groups, the first one not flagged, are flagged in the next integration's core.
    exact : bool
        Compare the core's centre with the ellipse as it lies, measure edges along their axis, and
        keep the other flags of pixels that a growing core saturates. Otherwise do as the reference
        pipeline: mirror the ellipse in the diagonal, use the number of rows for both axes, and
        leave SATURATED as the only flag.
    halo_limit : float or None
        Where the charge of a snowball's halo, fitted to the ramps, falls below this, it ends
        [sigma]; jumps anywhere are snowballs from `min_edge_radius` on. If None, `expand_factor`
        tells where halos end.
    """

    min_jump_area: float = 5.0
    min_sat_area: float = 1.0
    expand_factor: float = 2.0
    max_extended_radius: float = 200.0
    sat_required: bool = True
    min_sat_diameter_extend: float = 2.5
    sat_expand: float = 2.0
    edge_size: float = 25.0
    min_edge_radius: float = 0.0
    next_groups: int = 0
    exact: bool = False
    halo_limit: float | None = None


def flag_snowballs(
    groupdq: GroupFlags,
    settings: Snowballs,
    signal: Signal | None = None,
    out: GroupFlags | None = None,
    in_order: Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]] = map,
) -> tuple[GroupFlags, int]:
    """Enlarge snowballs and their cores.

    Parameters
    ----------
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags of the whole frame, jumps and their neighbours included; asked for by integration.
    settings : Snowballs
    signal : Signal, optional
        The ramps, for `halo_limit`.
    out : uint8 (n_int, n_group, ny, nx), optional
        Where the result goes, integration after integration; may be `groupdq` itself.
    in_order : callable
        Gives what the search finds in each integration, in their order.

    Returns
    -------
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags with SATURATED in enlarged cores, from the group in which they saturate on, and
        JUMP_DET in enlarged snowballs, in the group in which they appear.
    count : int
        Snowballs found.
    """
    out = np.empty_like(groupdq) if out is None else out
    in_memory = isinstance(out, np.ndarray)
    cores, count = np.zeros(groupdq.shape[2:], bool), 0

    def search(integration: int) -> tuple[GroupFlags, NDArray[np.bool_], int]:
        flags = out[integration] if in_memory else np.empty(groupdq.shape[1:], np.uint8)
        flags[...] = groupdq[integration]
        return flags, *_enlarge(flags, integration, settings, signal)

    for integration, (flags, later, found) in enumerate(in_order(search, range(len(groupdq)))):
        if cores.any():
            flags[1 : settings.next_groups, cores] |= np.uint8(_JUMP)
        if not in_memory:
            out[integration] = flags
        cores = later
        count += found
    return out, count


def _enlarge(
    flags: GroupFlags, integration: int, settings: Snowballs, signal: Signal | None
) -> tuple[NDArray[np.bool_], int]:
    """Enlarge the snowballs of an integration; return where cores were, and how many there are."""
    shape, count = flags.shape[1:], 0
    grown = np.zeros(shape, np.uint8)
    fresh: Regions | None = None
    for group in range(1, len(flags)):
        # Jumps are sought where no earlier core has grown, whatever this group's cores do.
        jumps = find_regions(flags[group] & np.uint8(_JUMP), settings.min_jump_area)
        cores: list[Regions] = []
        if settings.sat_required:
            cores = [_fresh(flags, group, settings) if fresh is None else fresh]
            if group + 1 < len(flags):
                cores.append(_fresh(flags, group + 1, settings))
            # What grows may reach into the next group's cores.
            fresh = None if _grow_cores(flags[group:], cores[0], settings, grown) else cores[-1]
        for number in _snowballs(jumps, cores, shape, settings):
            count += 1
            if (
                signal is not None
                and settings.halo_limit is not None
                and _flag_halo(flags, jumps, number, integration, group, settings, signal)
            ):
                continue
            minor = float(jumps.minor[number])
            major = float(jumps.major[number]) + (settings.expand_factor - 1) * minor
            limit = settings.max_extended_radius
            jumps.ellipse(
                number, min(major, limit), min(settings.expand_factor * minor, limit)
            ).paint(flags[group], _JUMP, unless=_SAT)
    return grown != 0, count


def _flag_halo(
    flags: GroupFlags, jumps: Regions, number: int | np.intp, integration: int, group: int,
    settings: Snowballs, signal: Signal,
) -> bool:  # fmt: skip
    """Flag the halo of a snowball out to where it is lost in the noise.

    A group that averages reads may hold a part of the event only; the next one has the rest.
    Returns False where ramps are too short to tell: no other difference is usable.
    """
    y, x = float(jumps.y[number]), float(jumps.x[number])
    minor = max(float(jumps.minor[number]), 0.5)
    ratio = max(float(jumps.major[number]), minor) / minor
    reach = int(min(settings.max_extended_radius, 3 * minor * ratio + 20)) + 1
    rows, columns = flags.shape[1:]
    box = (
        slice(max(0, round(y) - reach), min(rows, round(y) + reach + 1)),
        slice(max(0, round(x) - reach), min(columns, round(x) + reach + 1)),
    )
    down, right = np.mgrid[box[0], box[1]].astype(np.float64)
    down, right = down - y, right - x
    cosine, sine = np.cos(jumps.angle[number]), np.sin(jumps.angle[number])
    radius = np.hypot((down * cosine + right * sine) / ratio, down * sine - right * cosine)
    for here in range(group, min(group + 1 + (signal.n_frames > 1), len(flags))):
        full = (flags[here][box] & _SAT) != 0
        core = float(radius[full & (radius <= minor)].max(initial=0.0))
        excess = signal.excess(flags, integration, here, box)
        if not np.isfinite(excess).any():
            return here > group
        end = halo_reach(excess, radius, core, float(settings.halo_limit or 0.0))
        end = min(end, settings.max_extended_radius)
        halo = (radius < end) & ((flags[here][box] & _SAT) == 0)
        flags[here][box][halo] |= np.uint8(_JUMP)
    return True


def _fresh(flags: GroupFlags, group: int, settings: Snowballs) -> Regions:
    """Return the regions that saturate in a group."""
    fresh = flags[group] & ~flags[group - 1] & np.uint8(_SAT)
    return find_regions(fresh, settings.min_sat_area)


def _grow_cores(flags: GroupFlags, cores: Regions, settings: Snowballs, before: GroupFlags) -> bool:
    """Enlarge cores in all groups given; mark their pixels before they grew in `before`.

    Returns whether there are any that grow.
    """
    limit, grown = settings.max_extended_radius, settings.sat_expand
    large = np.flatnonzero(2 * cores.minor > settings.min_sat_diameter_extend)
    for number in large:
        major, minor = float(cores.major[number]), float(cores.minor[number])
        ellipse = cores.ellipse(number, min(major + grown, limit), min(minor + grown, limit))
        for group in flags:
            if settings.exact:
                ellipse.paint(group, _SAT, drop=_JUMP)
            else:
                ellipse.paint(group, _SAT, drop=0xFF)
        cores.ellipse(number, major, minor).paint(before, 1)
    return large.size > 0


def _snowballs(
    jumps: Regions, cores: list[Regions], shape: tuple[int, int], settings: Snowballs
) -> NDArray[np.intp]:
    """Return the numbers of the regions that are snowballs."""
    if not settings.sat_required:
        return np.arange(len(jumps))
    rows, columns = shape if settings.exact else (shape[0], shape[0])
    edge = settings.edge_size
    chosen = (jumps.y < edge) | (jumps.y > rows - edge)
    chosen |= (jumps.x < edge) | (jumps.x > columns - edge)
    if settings.min_edge_radius > 0:
        chosen &= jumps.minor >= settings.min_edge_radius
        if settings.halo_limit is not None:
            # A fit tells whether there is a halo; averages may hide a core that comes late.
            chosen |= jumps.minor >= settings.min_edge_radius
    for group in cores:
        chosen |= jumps.around(group, mirrored=not settings.exact)
    return np.flatnonzero(chosen)
