"""What reference pixels say of the electronics' drifts in frames that are read in stripes."""

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels.clipped_means import single_precision_means
from calcore.model import Meta, Ramp, Window
from calcore.model.readout import Readout
from calcore.model.stripes import Stripes
from calcore.steps._reference_pixels import Drifts, good_pixels, signal_of


def reference_windows(stripes: Stripes, meta: Meta, frame: Window) -> tuple[Window, ...]:
    """Return where the reference pixels lie: ends of lines, and whole lines of the detector's."""
    lines = stripes.reference_lines(meta)
    ends = Readout.of(meta, frame).ends
    return (*ends, *(stripes.window(part, frame) for part in lines))


def by_stripe(
    stripes: Stripes,
    readout: Readout,
    parts: list[Ramp],
    odd_even: bool,
    sigma: float,
    first_flags: bool,
) -> Drifts:
    """Return levels of each amplifier's columns from all reference pixels of a read.

    Each position of a super-stripe has levels of its own; with `first_flags` the flags of the first
    one tell for all of them which pixels count. Amplifiers are those of a frame that all of them
    read, whatever the sub-array's own are: each part of a line keeps its level then.
    """
    frame = parts[0].frame
    good = np.zeros((frame.frame_rows, frame.frame_columns), bool)
    for piece in parts:
        reference = (piece.pixeldq & np.uint32(DQ.REFERENCE_PIXEL)) != 0
        good[piece.frame.rows, piece.frame.columns] |= good_pixels(piece) & reference
    positions = stripes.parts(apart=False)
    read = np.zeros(stripes.n_lines, np.int64)
    lines = good if stripes.along_rows else good.T
    for number, part in enumerate(positions):
        read[part] = number
        if first_flags:
            lines[part] = lines[positions[-1 if stripes.backwards else 0]]
    kind, kinds = _kinds(readout, odd_even=odd_even)
    kind_of_pixel = kind + kinds * read[:, None]
    if not stripes.along_rows:
        kind_of_pixel = kind_of_pixel.T
    signal, chosen = [], []
    for piece in parts:
        where = piece.frame.rows, piece.frame.columns
        signal.append(signal_of(piece)[..., good[where]])
        chosen.append(kind_of_pixel[where][good[where]])
        good[where] = False  # corners lie in two parts, and count once
    values, which = np.concatenate(signal, axis=-1), np.concatenate(chosen)
    levels = np.zeros((*values.shape[:2], kinds, stripes.positions))
    for number in range(stripes.positions):
        own = which // kinds == number
        if own.any():
            every = np.ones((1, int(own.sum())), bool)
            mine = values[:, :, None, own]
            means = single_precision_means(mine, every, which[own][None] % kinds, kinds, sigma)
            levels[..., number] = np.nan_to_num(means)
    unbiased = np.zeros((*values.shape[:2], readout.n_fast))
    return Drifts(unbiased, np.ascontiguousarray(levels[..., read]), kind)


def _kinds(readout: Readout, *, odd_even: bool) -> tuple[NDArray[np.int64], int]:
    """Return which level each place along the frame's fast axis takes, and how many there are."""
    order = np.arange(readout.n_fast)[:: 1 if readout.fast > 0 else -1]
    place = 2 * ((readout.first_fast + order) // readout.amplifier) + (order % 2) * odd_even
    _, kind = np.unique(place, return_inverse=True)
    return np.asarray(kind, np.int64), int(kind.max()) + 1
