"""Noise that flickers while a frame is read: stripes along the lines that are read one after another.

From each group's difference to the one before it the sky's background is taken away, and what the
lines of the rest have in common is noise: its median (as in C. Willott's image1overf; see the JWST
documentation's page on clean_flicker_noise), or its low frequencies (see `nsclean`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels.each import Ahead
from calcore.kernels.flicker_mask import quiet_pixels
from calcore.kernels.median_scene import MedianScene

Pixels = NDArray[np.bool_]
Values = NDArray[np.float32]
Method = Literal["median", "model"] | None
Noise = Callable[[Values, Pixels], Values]

_SPOILT = np.uint8(DQ.DO_NOT_USE | DQ.JUMP_DET)
_REACH = 3.0  # [sigma] of pixels that the background is taken from
_SMOOTHING = 5  # [box] median filter over the boxes of a background
_LARGEST_BOX = 32


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A ramp without flicker noise, and what was taken for background and noise if asked for.

    All float32 (n_int, n_group, ny, nx) [DN]. `background` is that of each group's difference to the
    one before it; `noise` is what was taken away from the group.
    """

    data: Values
    background: Values | None = None
    noise: Values | None = None


@np.errstate(invalid="ignore", over="ignore")  # samples that are no number stay what they are
def clean(
    data: Values,
    groupdq: NDArray[np.uint8],
    usable: Pixels,
    find_noise: Noise,
    *,
    n_sigma: float = 2.0,
    background: Method = "median",
    box: tuple[int, int] | None = None,
    flat: Values | None = None,
    scene: MedianScene | None = None,
    keep: bool = False,
    out: Values | None = None,
    ahead: Ahead = map,
) -> Cleaned:
    """Take flicker noise out of ramps.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN], asked for by integration and group. A sample that is not finite stays so, and
        leaves those after it alone.
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags; a sample with DO_NOT_USE or JUMP_DET tells nothing of the noise of its group.
    usable : bool (1 or n_int, ny, nx)
        True for pixels that show background only.
    find_noise : callable
        Returns the noise of an image (ny, nx), given what pixels to find it from.
    n_sigma : float
        Pixels farther from the background do not count; 0 lets all count, as does no background.
    background : {"median", "model", None}
        One level, a smooth surface, or 0.
    box : (int, int), optional
        Rows and columns of the boxes of the surface.
    flat : float32 (ny, nx), optional
        Response of the pixels, by which differences are divided first and multiplied last; known
        for every pixel (see `whole_flat`).
    scene : MedianScene, optional
        Background of each difference, in place of one found from it.
    keep : bool
        Return background and noise as well.
    out : float32 (n_int, n_group, ny, nx), optional
        Where the ramps go, group after group.
    ahead : callable
        Measures groups, perhaps on other threads, while results are taken in order.

    Returns
    -------
    Cleaned
        The first group of each integration is as it was. A group without a pixel that counts is
        given the noise of the last one that has some.
    """
    cleaned = np.empty(data.shape, np.float32) if out is None else out
    levels, noises = (np.zeros(data.shape, np.float32) if keep else None for _ in range(2))

    def measure(change: _Change) -> tuple[_Change, Values | None, Values | None]:
        if change.good is None:
            return change, None, None
        parts = _parts(
            change.difference, change.good, find_noise, n_sigma, change.known, background, box
        )
        return change, *parts

    for integration in range(data.shape[0]):
        after = cleaned[integration, 0] = data[integration, 0]
        lost = np.zeros(after.shape, np.float32)
        if noises is not None:
            noises[integration, 0] = after - after  # no number stays none
        counted = usable[min(integration, usable.shape[0] - 1)]
        changes = _changes(data, groupdq, integration, counted, flat, scene)
        for change, level, noise in ahead(measure, changes):
            group = change.group
            raw = data[integration, group]
            if level is None or noise is None:
                new = raw - lost
            else:
                new = change.difference - level
                new -= noise
                new += level
                if flat is not None:
                    new *= flat
                lost += noise if flat is None else noise * flat
                new += after
                # A sample that is no number must not spoil the groups that follow.
                np.subtract(raw, lost, out=new, where=~np.isfinite(new))
                after = new
                if levels is not None:
                    levels[integration, group] = level
            cleaned[integration, group] = new
            if noises is not None:
                noises[integration, group] = raw - new
    return Cleaned(cleaned, levels, noises)


@dataclass(frozen=True, eq=False)
class _Change:
    """What a group adds to the last one with a pixel that counts; such pixels are `good`, if there are."""

    group: int
    difference: Values
    good: Pixels | None
    known: Values | None


def _changes(
    data: Values,
    groupdq: NDArray[np.uint8],
    integration: int,
    counted: Pixels,
    flat: Values | None,
    scene: MedianScene | None,
) -> Iterator[_Change]:
    """Yield what each group of an integration but the first adds."""
    before, last = data[integration, 0], 0
    for group in range(1, data.shape[1]):
        raw = data[integration, group]
        difference = raw - before
        if flat is not None:
            difference /= flat
        good = counted & np.isfinite(difference)
        good &= (groupdq[integration, group] & _SPOILT) == 0
        if not good.any():
            yield _Change(group, difference, None, None)
            continue
        known = None if scene is None else scene.difference(integration, last, group)
        if known is not None and flat is not None:
            known /= flat
        yield _Change(group, difference, good, known)
        before, last = raw, group


def whole_flat(flat: Values) -> Values:
    """Return a flat field (ny, nx) with a smooth surface where it is not finite or 0."""
    known = np.isfinite(flat) & (flat != 0)
    if known.all():
        return flat
    if not known.any():
        return np.ones_like(flat)
    return np.where(known, flat, surface(flat, known, None))


def _parts(
    image: Values,
    good: Pixels,
    find_noise: Noise,
    n_sigma: float,
    known: Values | None,
    method: Method,
    box: tuple[int, int] | None,
) -> tuple[Values, Values]:
    """Return background and noise of an image."""
    if method is None and known is None:
        return np.zeros((1, 1), np.float32), find_noise(image, good)
    level: Values
    ranked = None
    if known is not None:
        level = known
    else:
        quiet = quiet_pixels(image, good, _REACH)
        good = quiet.pixels
        if method == "model":
            level = surface(image, good, box)
        else:
            level = np.full((1, 1), quiet.median, np.float32)
            ranked = quiet.ranked
            ranked -= level[0]  # in place, as they are many; they stay in order
    rest = image - level
    if n_sigma > 0:
        good = quiet_pixels(rest, good, n_sigma, ranked=ranked).pixels
    return level, find_noise(rest, good)


def surface(image: Values, good: Pixels, box: tuple[int, int] | None) -> Values:
    """Return the medians of boxes, smoothed and interpolated (Bertin & Arnouts 1996, A&AS 117, 393).

    One level where so much is left out that no box can be used.
    """
    from photutils.background import (  # noqa: PLC0415 - takes as long as a whole exposure
        Background2D,
        MedianBackground,
    )

    size = box or tuple(_largest_divisor(length) for length in image.shape)
    try:
        found = Background2D(
            np.where(good, image, np.float32(0)),
            size,
            mask=~good,
            filter_size=_SMOOTHING,
            bkg_estimator=MedianBackground(),
        )
    except ValueError:
        return np.full((1, 1), np.median(image[good]), np.float32)
    surface: Values = found.background.astype(np.float32)
    return surface


def _largest_divisor(length: int) -> int:
    return max(size for size in range(1, _LARGEST_BOX + 1) if length % size == 0)


def line_medians(
    image: Values, good: Pixels, *, along_x: bool, amplifiers: tuple[slice, ...] = (slice(None),)
) -> Values:
    """Return the median of each line, as an image.

    Parameters
    ----------
    image : float32 (ny, nx)
        Differences of groups without their background [DN].
    good : bool (ny, nx)
        Which pixels count.
    along_x : bool
        True if lines are rows, else columns.
    amplifiers : tuple of slice
        Parts of the lines that are taken on their own.

    Returns
    -------
    float32 (ny, nx)
        The same value in all pixels of a line's part; 0 if none of them counts.
    """
    values = np.where(good, image, np.float32(np.nan))
    values = values if along_x else values.T
    out = np.empty(values.shape, np.float32)
    for part in amplifiers:
        ranked = np.sort(values[:, part], axis=1)  # NaN come last
        count = np.isfinite(ranked).sum(axis=1)
        line = np.arange(len(ranked))
        low = ranked[line, np.maximum((count - 1) // 2, 0)]
        middle = (low + ranked[line, np.minimum(count // 2, ranked.shape[1] - 1)]) / 2
        out[:, part] = np.where(count > 0, middle, np.float32(0))[:, None]
    return out if along_x else np.ascontiguousarray(out.T)
