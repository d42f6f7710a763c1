"""Exposures on pixels that are finer along the slit, by a model of their traces."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels.finer_pixels import between
from calcore.model.exposure import Image
from calcore.model.record import Carried
from calcore.steps._trace_models import StripModel
from calcore.wcs.divided import divided_wcs, in_pixels, whole_pixels
from calcore.wcs.slicer import SlicedCoordinates
from calcore.wcs.slicer_of import sliced
from calcore.wcs.within import within_box

_NOISE = ("err", "var_poisson", "var_rnoise", "var_flat")
_GROWTH = 0.23
"""By how much errors grow for each further pixel, so that cubes come out with about the same.

The number is that of jwst 3.0.0, from its products on two and on three times as many pixels.
"""


def oversampled(
    image: Image, traces: Sequence[StripModel], fineness: float, *, rest: bool
) -> Image:
    """Return an exposure on finer pixels.

    Parameters
    ----------
    image : Image
        The exposure (ny, nx).
    traces : sequence of StripModel
        What is known of its slit or slices.
    fineness : float
        Pixels for each of the exposure along the slit.
    rest : bool
        Whether what the model leaves is added to it.

    Returns
    -------
    Image
        Values, errors, flags, model and coordinates on these pixels; nothing else of their size. NaN
        and DO_NOT_USE beside the slit, and in pixels without a value where there is no model.
    """
    turned = traces[0].strip.turned
    axis = 0 if turned else 1
    inside = whole_pixels(image.data.shape[axis], fineness)
    shape = list(image.data.shape)
    shape[axis] = inside.size
    names = [name for name in _NOISE if getattr(image, name) is not None]
    planes = {name: np.full(shape, np.nan, np.float32) for name in ("data", *names, "trace")}
    estimated = np.zeros(shape, np.bool_)
    for one in traces:
        found = _strip(image, one, names, fineness, inside, rest=rest)
        finer = replace(one.strip, box=_box(one, inside))
        for name, plane in planes.items():
            finer.put(found[name], plane, found["own"])
        finer.put(found["estimated"], estimated, found["own"])
    trace = planes.pop("trace")
    dq = np.take(image.dq, inside, axis)
    dq = np.where(estimated, (dq & ~np.uint32(DQ.DO_NOT_USE)) | DQ.FLUX_ESTIMATED, dq)
    dq = np.where(np.isnan(planes["data"]), dq | np.uint32(DQ.DO_NOT_USE), dq)
    wcs, gone = _coordinates(image, fineness, axis), {"area": None}
    if hasattr(image, "wavelength"):
        wavelength = within_box(wcs, (shape[0], shape[1]))[2].astype(np.float32)
        gone |= {"wavelength": wavelength, "pathloss_point": None}
    carried = Carried(cards=image.carried.cards, tree=image.carried.tree)
    return image.replace(
        **planes,
        **gone,
        dq=dq.astype(np.uint32),
        trace_model=trace,
        wcs=wcs,
        carried=carried,
        window=None,
    )


def _coordinates(image: Image, fineness: float, axis: int) -> Any:
    coordinates: SlicedCoordinates | None = sliced(image.wcs)
    if coordinates is not None:
        return coordinates.divided(fineness, axis)
    return divided_wcs(image.wcs, (image.data.shape[0], image.data.shape[1]), fineness, axis)


def _box(one: StripModel, inside: NDArray[np.intp]) -> tuple[slice, slice]:
    """Return the part of the finer frame that a strip is in."""
    box = list(one.strip.box)
    axis = 0 if one.strip.turned else 1
    low, high = np.searchsorted(inside, [box[axis].start, box[axis].stop])
    box[axis] = slice(int(low), int(high))
    return box[0], box[1]


def _strip(
    image: Image, one: StripModel, names: Sequence[str], fineness: float, inside: NDArray[np.intp],
    *, rest: bool,
) -> dict[str, Any]:  # fmt: skip
    """Return a strip's planes (n_row, n) on finer pixels, and which of these are its own and estimated."""
    strip = one.strip
    start = strip.box[0 if strip.turned else 1].start
    part = _box(one, inside)[0 if strip.turned else 1]
    places = in_pixels(image.data.shape[0 if strip.turned else 1], fineness)[part] - start
    column = inside[part] - start
    noise = [_deviation(name, strip.of(getattr(image, name))) for name in names]
    lines = between(np.stack([one.data, np.nan_to_num(one.residual), *noise]), one.good, places)
    own, good, compact = (mask[:, column] for mask in (strip.own, one.good, one.compact))
    found: dict[str, Any] = {"data": np.where(good, lines[0], np.nan)}
    found["trace"] = np.full(own.shape, np.nan)
    if one.profiles is not None:
        # Pixels are so small that between two of them places are as good as evenly spaced.
        known = between(np.nan_to_num(strip.places)[None], strip.own, places)[0]
        spline = one.profiles.at(known) * one.profiles.scales[:, None]
        found["trace"] = np.where(compact, spline, np.nan)
        found["data"] = np.where(compact, spline + lines[1] if rest else spline, found["data"])
    factor = (1 - _GROWTH) + _GROWTH * fineness
    for name, plane in zip(names, lines[2:], strict=True):
        grown = (plane * factor) ** (2 if name.startswith("var_") else 1)
        found[name] = np.where(np.isfinite(found["data"]), grown, np.nan)
    estimated = own & compact & ~good & np.isfinite(found["data"])
    return found | {"own": own, "estimated": estimated}


def _deviation(name: str, plane: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what noise is interpolated as: a standard deviation."""
    wide = plane.astype(np.float64)
    return np.sqrt(wide) if name.startswith("var_") else wide
