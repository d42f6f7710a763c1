"""Coordinates of frames whose pixels have been divided along one axis.

A transform from the finer pixels to those of the detector goes before all others. Its frame is called
``coordinates``, as in the reference pipeline's products.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy import units as u
from astropy.modeling.models import Identity, Scale, Shift
from gwcs import WCS
from gwcs.coordinate_frames import Frame2D
from numpy.typing import NDArray

from calcore.wcs import nodes
from calcore.wcs.plain_asdf import kind_of

FRAME = "coordinates"


def whole_pixels(count: int, fineness: float) -> NDArray[np.intp]:
    """Return which of so many pixels each of the finer ones lies in."""
    finer = np.arange(round(count * fineness))
    inside = np.floor((finer + 0.5) / fineness)
    return np.asarray(np.minimum(inside, count - 1), np.intp)


def in_pixels(count: int, fineness: float) -> NDArray[np.float64]:
    """Return where among so many pixels the middle of each of the finer ones is."""
    return np.asarray((np.arange(round(count * fineness)) + 0.5) / fineness - 0.5)


def divided_wcs(wcs: WCS, shape: tuple[int, int], fineness: float, axis: int) -> WCS:
    """Return the world coordinates of pixels of which so many make one.

    Parameters
    ----------
    wcs : gwcs.WCS
        From pixels (x, y).
    shape : (int, int)
        Rows and columns of its frame.
    fineness : float
        How many pixels make one of the frame's.
    axis : int
        Along which they are divided: 0 is y, 1 is x.
    """
    parts = [Identity(1), Identity(1)]
    parts[1 - axis] = Scale(1 / fineness) | Shift((1 / fineness - 1) / 2)
    frame = Frame2D(name=FRAME, axes_order=(0, 1), unit=(u.pix, u.pix))
    steps = [(step.frame, step.transform) for step in wcs.pipeline]
    divided = WCS([(frame, parts[0] & parts[1]), *steps])
    if wcs.bounding_box is None:
        limits = [(-0.5, shape[1] - 0.5), (-0.5, shape[0] - 0.5)]
    else:
        box = wcs.bounding_box.bounding_box(order="F")
        limits = [(float(low), float(high)) for low, high in box]
    low, high = limits[1 - axis]
    limits[1 - axis] = (low + 0.5) * fineness - 0.5, (high + 0.5) * fineness - 0.5
    divided.bounding_box = tuple(limits)
    return divided


def fineness_of(wcs: WCS) -> float:
    """Return how many of a frame's pixels make one of the detector; 1 if they are the detector's."""
    if wcs.pipeline[0].frame.name != FRAME:
        return 1.0
    here, there = (np.array(wcs.pipeline[0].transform(at, at)) for at in (0.0, 1.0))
    return float(1 / (there - here).min())


def divided_tree(
    tree: Mapping[str, Any], shape: tuple[int, ...], fineness: float, axis: int
) -> dict[str, Any]:
    """Return the same of a gWCS as files have it; `shape` is that of the finer frame."""
    parts = [nodes.identity(1), nodes.identity(1)]
    parts[1 - axis] = nodes.then(nodes.scale(1 / fineness), nodes.shift((1 / fineness - 1) / 2))
    divided = nodes.beside(*parts) | {"inputs": ["x", "y"], "outputs": ["x", "y"]}
    divided["bounding_box"] = nodes.bounding_box(x=shape[1], y=shape[0])
    first = nodes.wcs([(nodes.plane(FRAME, ("x", "y"), "pixel"), divided)])["steps"]
    return {**tree, "steps": [*first, *tree["steps"]]}


def division_of(tree: Mapping[str, Any]) -> tuple[float, int] | None:
    """Return how finely, and along which axis, pixels have been divided; None if they have not."""
    first = tree["steps"][0]
    if first["frame"]["name"] != FRAME:
        return None
    for axis, part in zip((1, 0), first["transform"]["forward"], strict=True):
        if kind_of(part) == "compose":
            return 1 / float(part["forward"][0]["factor"]), axis
    raise ValueError("pixels are divided along no axis")
