"""Models of the traces in an exposure, strip by strip."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels.finer_pixels import steep
from calcore.kernels.trace_splines import Profiles, profiles
from calcore.model.exposure import Image
from calcore.room import ALONE, Room
from calcore.steps._strips_of_light import Strip

F8 = NDArray[np.float64]
Mask = NDArray[np.bool_]
THRESHOLD, SLOPE = 10.0, 0.1
"""Which strips are modelled, and where their sources are compact, unless one asks for others."""
_KNOTS = 2.5
"""Of the splines, for each pixel: what several wavelengths sample is finer than pixels."""
_TO_SIGMA = 1.4826
"""The standard deviation of Gaussian values over their median absolute deviation."""


class Still(NamedTuple):
    """An exposure, or the mean of its integrations: signal and error (ny, nx), and where there is any."""

    data: F8
    err: F8
    good: Mask


@dataclass(frozen=True, eq=False)
class StripModel:
    """What is known of a strip.

    Attributes
    ----------
    strip : Strip
        It.
    data : float64 (n_row, n_column)
        Signal.
    good : bool (n_row, n_column)
        Where there is any.
    profiles : Profiles or None
        None if it was not fitted.
    model, residual : float64 (n_row, n_column)
        The model, and what it leaves of the signal; NaN where there is none.
    compact : bool (n_row, n_column)
        Where the model is that of a compact source.
    """

    strip: Strip
    data: F8
    good: Mask
    profiles: Profiles | None
    model: F8
    residual: F8
    compact: Mask


def still(image: Image) -> Still:
    """Return an exposure's signal, or the mean of its integrations, without what is flagged DO_NOT_USE."""
    usable = np.isfinite(image.data) & ((image.dq & DQ.DO_NOT_USE) == 0)
    shape = (-1, *image.data.shape[-2:])
    data, err, good = (plane.reshape(shape) for plane in (image.data, image.err, usable))
    count = good.sum(axis=0)
    seen = np.maximum(count, 1)
    mean, noise = (
        np.where(good, plane, 0).sum(axis=0, dtype=np.float64) / seen for plane in (data, err)
    )
    return Still(mean, noise / np.sqrt(seen), count > 0)


def bright(light: Still, strips: Sequence[Strip], threshold: float) -> list[bool]:
    """Tell which strips have enough light to be modelled.

    Parameters
    ----------
    light : Still
        The exposure.
    strips : sequence of Strip
        Its slices, or its slit.
    threshold : float
        Slices are compared with others of their field [scatter of these], a slit with its noise;
        0 for all.
    """
    if threshold <= 0:
        return [True for _ in strips]
    if len(strips) == 1:
        return [_signal_to_noise(light, strips[0]) > threshold]
    means = np.array(
        [_mean(strip.of(light.data), strip.own & strip.of(light.good)) for strip in strips]
    )
    fields = np.array([strip.field for strip in strips])
    found = np.zeros(len(strips), np.bool_)
    for field in np.unique(fields):
        own = fields == field
        if not np.isfinite(means[own]).any():
            continue
        middle = np.nanmedian(means[own])
        scatter = _TO_SIGMA * np.nanmedian(np.abs(means[own] - middle))
        found[own] = means[own] > middle + threshold * scatter
    return [bool(one) for one in found]


def modelled(
    light: Still, strips: Sequence[Strip], *, threshold: float = THRESHOLD, limit: float = SLOPE,
    room: Room = ALONE,
) -> tuple[NDArray[np.float32], list[StripModel]]:  # fmt: skip
    """Return the model of compact sources (ny, nx), NaN where there are none, and what is known of strips.

    Parameters
    ----------
    light : Still
        The exposure.
    strips : sequence of Strip
        Its slices, or its slit.
    threshold : float
        As for `bright`.
    limit : float
        As for `steep`.
    room : Room
        Threads.
    """
    chosen = bright(light, strips, threshold)

    def model(number: int) -> StripModel:
        return strip_model(light, strips[number], limit, fit=chosen[number])

    found = list(room.ahead(model, range(len(strips))))
    plane = np.full(light.data.shape, np.nan, np.float32)
    for one in found:
        one.strip.put(one.model, plane, one.compact)
    return plane, found


def _mean(values: F8, where: Mask) -> float:
    return float(values[where].mean()) if where.any() else np.nan


def _signal_to_noise(light: Still, strip: Strip) -> float:
    """Return the largest signal over noise along a slit, in the median of wavelengths."""
    data, err = strip.of(light.data), strip.of(light.err)
    usable = strip.own & strip.of(light.good) & (err > 0)
    ratio = np.full(data.shape, np.nan)
    np.divide(data, err, out=ratio, where=usable)
    lit = usable.any(axis=0)
    return float(np.nanmedian(ratio[:, lit], axis=0).max()) if lit.any() else 0.0


def strip_model(light: Still, strip: Strip, limit: float, *, fit: bool) -> StripModel:
    """Return the model of a strip; without one if it is not to be fitted."""
    good = strip.own & strip.of(light.good)
    data = np.ascontiguousarray(strip.of(light.data))
    model: Any = np.full(data.shape, np.nan)
    found, compact = None, np.zeros(data.shape, np.bool_)
    if fit and good.any() and (pixel := strip.pixel) > 0:
        found = profiles(data, strip.places, good, step=pixel / _KNOTS)
        shapes = found.at(strip.places)
        compact = steep(shapes, limit)
        model = shapes * found.scales[:, None]
    return StripModel(
        strip, data, good, found, model, np.where(good, data - model, np.nan), compact
    )
