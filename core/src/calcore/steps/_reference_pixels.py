"""What reference pixels say of the electronics' drifts: levels of columns and of lines."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.citing import Work
from calcore.errors import ReferenceInvalid
from calcore.flags import DQ
from calcore.kernels import reference_pixels as kernels
from calcore.kernels import sirs
from calcore.model import Meta, Ramp
from calcore.model.readout import Readout
from calcore.model.reference import SirsKernel

Levels = NDArray[np.float64]
Signal = NDArray[np.float32]
Pixels = NDArray[np.bool_]
WORKS: tuple[Work | str, ...] = (
    "Moseley et al. 2010, Proc. SPIE 7742, 77421B",
    "Rauscher et al. 2011, PASP 123, 953",
    Work("Rauscher et al. 2022, JATIS 8, 028002", refpix_algorithm="sirs"),
)


@dataclass(frozen=True, eq=False)
class Drifts:
    """Levels [DN] of the frame's columns and rows as the read-out counts them.

    They stand in the order of the frame's axes; `columns` (n_int, n_group, n) belong to the axis
    that is read fast, `rows` (n_int, n_group, n_amplifier, n) to the other one, and `amplifier` (n)
    tells which of them a place on the fast axis takes. None is no correction. A zero frame's levels
    follow those of the groups.
    """

    columns: Levels | None = None
    rows: Levels | None = None
    amplifier: NDArray[np.int64] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Sides:
    """How the levels of lines are found from their ends.

    By a running median over `length` lines, of which `gain` is subtracted; or by `kernels` of each
    end (n_amplifier, n) from pixels within `limit` sigma, flagged ones too if `flagged`.
    """

    length: int
    gain: float
    kernels: list[Levels] | None = None
    limit: float = np.inf
    flagged: bool = False


def line_kernels(
    reference: SirsKernel, meta: Meta, half_width: int, smoothing: float
) -> list[Levels] | None:
    """Return the kernels of a detector's line ends, or None if the reference lacks the detector.

    Raises
    ------
    ReferenceInvalid
        The detector's weights do not fit it.
    """
    entry = reference.weights.get(meta.detector.lower())
    if entry is None:
        return None
    outputs = meta.facts.detector.outputs
    found = []
    for name in ("gamma", "zeta"):
        weights = np.asarray(entry.get(name, 0) if isinstance(entry, Mapping) else 0)
        reach = sirs.kernel_length(weights) // 2 if weights.ndim == 2 else -1
        if weights.shape[:1] != (outputs,) or reach < half_width:
            raise ReferenceInvalid(
                f"reference sirskernel: {name} of {meta.detector} has the shape {weights.shape}, and "
                f"refpix needs weights of {outputs} amplifiers and at least {half_width + 1} "
                "frequencies: give another file, or a smaller refpix.halfwidth"
            )
        if not np.isfinite(weights).all():
            raise ReferenceInvalid(
                f"reference sirskernel: {name} of {meta.detector} has weights that are no numbers: "
                "give another file, or refpix.refpix_algorithm=median"
            )
        found.append(sirs.line_kernels(weights, half_width, smoothing))
    return found


def by_amplifier(
    readout: Readout,
    first: Ramp,
    parts: Iterator[Ramp],
    *,
    odd_even: bool,
    sigma: float,
    sides: Sides | None,
) -> Drifts:
    """Return levels of the columns of each amplifier, then of the lines."""
    edges, part = [], first
    for _ in readout.edges:
        edges.append((readout.turn(signal_of(part)), readout.turn(good_pixels(part))))
        part = next(parts, part)
    columns = np.zeros((*signal_of(first).shape[:2], readout.n_fast))
    if edges:
        columns = kernels.column_levels(
            edges, readout.first_fast, readout.amplifier, odd_even=odd_even,
            single=sides is None, sigma=sigma,
        )  # fmt: skip
    if sides is None or not readout.ends:
        return Drifts(readout.back_fast(columns))
    ends: list[tuple[Levels, Pixels]] = []
    for _ in readout.ends:
        where = readout.fast_places(part.frame)
        values: Levels = np.subtract(readout.turn(signal_of(part)), columns[:, :, None, where])
        values[0, 0] = values[0, 0].astype(np.float32)
        ends.append((values, readout.turn(good_pixels(part))))
        part = next(parts, part)
    amplifier = np.zeros(readout.n_fast, np.int64)
    if sides.kernels is not None:
        if sides.flagged:
            ends = [(values, np.ones_like(good)) for values, good in ends]
        rows = sirs.amplifier_levels(ends, sides.kernels, sides.limit)
        amplifier = np.arange(readout.n_fast) // readout.amplifier
    else:
        known = [np.where(good, values, np.nan) for values, good in ends]
        rows = kernels.row_levels(
            known, readout.first_slow, readout.total_slow, sides.length, sides.gain
        )[:, :, None]
    return Drifts(readout.back_fast(columns), readout.back_slow(rows), readout.back_fast(amplifier))


def common(readout: Readout, parts: list[Ramp], *, odd_even: bool, sigma: float) -> Drifts:
    """Return levels of even and odd columns from all reference pixels together."""
    values, places = [], []
    for part in parts:
        usable = (part.pixeldq & np.uint32(DQ.REFERENCE_PIXEL)) != 0
        good = readout.turn(good_pixels(part) & (usable | readout.is_dark(part.frame)))
        values.append(readout.turn(signal_of(part))[..., good])
        places.append(readout.order(part.frame)[good])
    # Corners lie in two parts; each pixel counts once.
    place, which = np.unique(np.concatenate(places), return_index=True)
    signal, column = np.concatenate(values, axis=-1)[..., which], place % readout.n_fast
    levels = kernels.common_levels(signal, column, readout.n_fast, odd_even=odd_even, sigma=sigma)
    return Drifts(readout.back_fast(levels))


def signal_of(part: Ramp) -> Signal:
    """Return the groups, and after them the zero frame if there is one."""
    if part.zeroframe is None:
        return part.data
    return np.concatenate([part.data, part.zeroframe[:, None]], axis=1)


def good_pixels(part: Ramp) -> Pixels:
    """Return which pixels are not DO_NOT_USE."""
    good: Pixels = (part.pixeldq & np.uint32(DQ.DO_NOT_USE)) == 0
    return good
