"""How noisy the means of reference pixels are that a correction subtracts from many pixels alike.

Reference pixels have read noise, and the 1/f noise that they share with the pixels read at about
the same time; pixels read earlier or later keep a part of it. Both are known from the simulator.
"""

from dataclasses import dataclass, field

import numpy as np
from benchmarks.truth_bound import FloatArray
from benchmarks.truth_exposure import BoolArray
from numpy.typing import NDArray

SIDE_ROWS = 11
"""Rows over which the signal of the side reference pixels is smoothed."""
BORDER = 4
DRAWS = 200


@dataclass(frozen=True, kw_only=True)
class PinkNoise:
    """The 1/f noise of a read-out.

    Attributes
    ----------
    common, own
        Rms of what all amplifiers share and of what each has, over all times from that of a pixel
        to that of a frame [DN].
    row_samples
        Pixel times in a row.
    """

    common: float
    own: float
    row_samples: int

    def rows(self, rng: np.random.Generator, rows: int, rms: float) -> FloatArray:
        """Return the means of rows of frames, (draw, row) [DN]."""
        count = rows // 2
        # Power is the same in each octave; a row's mean keeps those slower than two rows.
        kept = np.log(count) + 0.577
        kept /= np.log(rows * self.row_samples / 2) + 0.577
        amplitude = np.zeros(count + 1)
        amplitude[1:] = 1 / np.sqrt(np.arange(1, count + 1))
        amplitude *= rms * np.sqrt(kept) * rows / 2 / np.sqrt(np.sum(amplitude**2))
        normal = rng.standard_normal((2, DRAWS, count + 1))
        return np.fft.irfft(amplitude * (normal[0] + 1j * normal[1]), n=2 * count)[:, :rows]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferencePixels:
    """Which reference pixels a correction averages for which pixels.

    Attributes
    ----------
    amplifier
        Of each column, (nx,).
    member
        Number of the mean that is subtracted from each pixel, (ny, nx).
    count
        Reference pixels in each mean, (mean,); 0 where there are none.
    weight
        Share of each row in the means, (ny,).
    side
        Side reference pixels of each row, (ny,), if their smoothed signal is subtracted too.
    read_noise
        Noise of a read [DN].
    pink
        The 1/f noise.
    turned
        True if rows of the read-out are columns of images: rows and columns here are the read-out's.
    """

    amplifier: NDArray[np.int64]
    member: NDArray[np.int64]
    count: FloatArray
    weight: FloatArray
    side: FloatArray | None
    read_noise: float
    pink: PinkNoise
    turned: bool = False
    _left: list[FloatArray] = field(default_factory=list)

    def noise(self, y: NDArray[np.integer], x: NDArray[np.integer]) -> float:
        """Return the noise of a frame that pixels have in common after the correction [DN].

        Parameters
        ----------
        y, x : array (pixel,)
            The pixels whose mean is taken.
        """
        if self.turned:
            y, x = x, y
        part = np.bincount(self.member[y, x], minlength=len(self.count)) / len(y)
        variance = float(np.sum(part**2 / np.maximum(self.count, 1)))
        rows = np.zeros((int(self.amplifier.max()) + 1, self.member.shape[0]))
        np.add.at(rows, (self.amplifier[x], y), 1 / len(y))
        if self.side is not None:
            smooth = np.convolve(rows.sum(axis=0), np.full(SIDE_ROWS, 1 / SIDE_ROWS), mode="same")
            # A running median is noisier than a mean by half pi under the root.
            variance += float(np.sum(smooth**2 / np.maximum(self.side, 1))) * np.pi / 2
        left = sum(
            residual @ weights for residual, weights in zip(self._residuals(), rows, strict=True)
        )
        return float(np.sqrt(variance * self.read_noise**2 + np.var(left)))

    def _residuals(self) -> list[FloatArray]:
        """Return the 1/f noise that is left, for each amplifier (draw, row) [DN]."""
        if not self._left:
            rng = np.random.default_rng(20260203)
            rows = self.member.shape[0]
            common = self.pink.rows(rng, rows, self.pink.common)
            for _ in range(int(self.amplifier.max()) + 1):
                noise = common + self.pink.rows(rng, rows, self.pink.own)
                self._left.append(noise - (noise @ self.weight)[:, None])
            if self.side is not None:
                box = np.full(SIDE_ROWS, 1 / SIDE_ROWS)
                both = (self._left[0] + self._left[-1]) / 2
                smooth = np.stack([np.convolve(draw, box, mode="same") for draw in both])
                self._left[:] = [noise - smooth for noise in self._left]
        return self._left


def amplifier_means(
    good: BoolArray, outputs: int, read_noise: float, pink: PinkNoise
) -> ReferencePixels:
    """Return the means for detectors that read stripes.

    A stripe has a mean of its odd and one of its even columns, from rows at the top and bottom;
    the columns at the sides follow the rest row by row. A sub-array that one amplifier reads has
    the two means alone, from all reference pixels.

    Parameters
    ----------
    good : array of bool (ny, nx)
        Reference pixels that are not bad.
    outputs : int
        Amplifiers.
    read_noise, pink
        Noise of a read [DN], and 1/f noise.
    """
    ny, nx = good.shape
    column = np.arange(nx)
    amplifier = column * outputs // nx
    counted, side = good, None
    if outputs > 1:
        counted = good.copy()
        counted[BORDER : ny - BORDER] = False
        side = (good[:, :BORDER].sum(axis=1) + good[:, nx - BORDER :].sum(axis=1)).astype(float)
    number = amplifier * 2 + column % 2
    return ReferencePixels(
        amplifier=amplifier,
        member=np.broadcast_to(number, (ny, nx)).copy(),
        count=np.array([counted[:, number == k].sum() for k in range(2 * outputs)], float),
        weight=counted.sum(axis=1) / max(counted.sum(), 1),
        side=side,
        read_noise=read_noise,
        pink=pink,
    )


def interleaved_means(
    good: BoolArray, outputs: int, read_noise: float, pink: PinkNoise
) -> ReferencePixels:
    """Return the means for detectors whose amplifiers take turns: each has odd and even rows.

    Parameters as for `amplifier_means`.
    """
    ny, nx = good.shape
    row, column = np.mgrid[:ny, :nx]
    member = column % outputs * 2 + row % 2
    return ReferencePixels(
        amplifier=np.arange(nx) % outputs,
        member=member,
        count=np.array([good[member == k].sum() for k in range(2 * outputs)], float),
        weight=good.sum(axis=1) / max(good.sum(), 1),
        side=None,
        read_noise=read_noise,
        pink=pink,
    )
