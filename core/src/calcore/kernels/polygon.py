"""Polygons in a plane: cut, and joined."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
_CLOSE = 1e-9


def clip(corners: Points, width: float, height: float) -> Points:
    """Return the part of a convex polygon that lies on a grid of pixels.

    The polygon is cut along each edge in turn (Sutherland & Hodgman 1974, CACM 17, 32).

    Parameters
    ----------
    corners : float64 (n, 2)
        x and y, in order, 0-based [pixel].
    width, height : float
        Columns and rows; the grid's outer edges are at -0.5 and half a pixel beyond the last.

    Returns
    -------
    float64 (m, 2)
        No corners if nothing is left.
    """
    for axis, limit, sign in (
        (0, -0.5, 1.0), (0, width - 0.5, -1.0), (1, -0.5, 1.0), (1, height - 0.5, -1.0),
    ):  # fmt: skip
        kept: list[NDArray[np.float64]] = []
        for number, corner in enumerate(corners):
            previous = corners[number - 1]
            depth, before = sign * (corner[axis] - limit), sign * (previous[axis] - limit)
            if (depth >= 0) != (before >= 0):
                kept.append(previous + (corner - previous) * (before / (before - depth)))
            if depth >= 0:
                kept.append(corner)
        corners = np.array(kept).reshape(-1, 2)
    return corners


def intersection(subject: Points, convex: Points) -> Points:
    """Return the part of a polygon that lies inside a convex one.

    It is cut along each of the convex one's edges (Sutherland & Hodgman 1974, CACM 17, 32).

    Parameters
    ----------
    subject, convex : float64 (n, 2)
        Corners, in order.

    Returns
    -------
    float64 (m, 2)
        No corners if nothing is left.
    """
    turned = convex if _area(convex) > 0 else convex[::-1]
    corners = subject
    for start, end in zip(turned, np.roll(turned, -1, axis=0), strict=True):
        depth = _cross(end - start, corners - start)
        kept: list[NDArray[np.float64]] = []
        for number, corner in enumerate(corners):
            previous, before = corners[number - 1], depth[number - 1]
            if (depth[number] >= 0) != (before >= 0):
                kept.append(previous + (corner - previous) * (before / (before - depth[number])))
            if depth[number] >= 0:
                kept.append(corner)
        corners = np.array(kept).reshape(-1, 2)
    return corners


def union(polygons: Sequence[Points]) -> list[Points]:
    """Return the outline of simple polygons together.

    Every edge is cut where it meets others; the pieces that lie inside no other polygon are
    chained. Where edges of several polygons coincide, the first stands for all that run its way.

    Parameters
    ----------
    polygons : sequence of float64 (n, 2)
        Corners, in order.

    Returns
    -------
    list of float64 (m, 2)
        One ring for each part that touches no other, and for each hole, counter-clockwise around
        what is inside; collinear corners are left out.
    """
    turned = [p if _area(p) > 0 else p[::-1] for p in polygons if abs(_area(p)) > 0]
    if not turned:
        return []
    starts = np.concatenate(turned)
    ends = np.concatenate([np.roll(p, -1, axis=0) for p in turned])
    owner = np.repeat(np.arange(len(turned)), [len(p) for p in turned])
    close = _CLOSE * float(np.abs(np.concatenate(turned)).max() + 1)
    pieces: list[tuple[Points, Points]] = []
    for start, end, own in zip(starts, ends, owner, strict=True):
        places = _cuts(start, end, starts[owner != own], ends[owner != own], close)
        for low, high in pairwise(places):
            middle = start + (end - start) * (low + high) / 2
            if not any(
                _covers(other, bool(number < own), middle, end - start, close)
                for number, other in enumerate(turned)
                if number != own
            ):
                pieces.append((start + (end - start) * low, start + (end - start) * high))
    return _rings(pieces, close)


def _area(corners: Points) -> float:
    x, y = corners.T
    return float(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def _cross(a: Points, b: Points) -> Points:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _cuts(start: Points, end: Points, starts: Points, ends: Points, close: float) -> Points:
    """Return where on an edge (0 to 1) others meet it, both ends included."""
    along, others = end - start, ends - starts
    length = float(np.hypot(*along))
    with np.errstate(divide="ignore", invalid="ignore"):
        slant = _cross(along, others)
        here = _cross(starts - start, others) / slant
        there = _cross(starts - start, along) / slant
    slack = close / length
    crossing = (np.abs(slant) > 0) & (there > -slack) & (there < 1 + slack)
    places = [here[crossing]]
    for points in (starts, ends):  # corners of others upon this edge, where edges run together
        upon = np.abs(_cross(along, points - start)) / length < close
        places.append(((points[upon] - start) @ along) / length**2)
    inner = np.concatenate(places)
    inner = np.sort(inner[(inner > slack) & (inner < 1 - slack)])
    apart = inner[np.diff(inner, prepend=0.0) > slack]
    return np.concatenate([[0.0], apart, [1.0]])


def _covers(polygon: Points, before: bool, point: Points, along: Points, close: float) -> bool:
    """Tell whether a polygon makes a piece of another's edge no part of the outline."""
    edges = np.roll(polygon, -1, axis=0) - polygon
    length = np.hypot(edges[:, 0], edges[:, 1])
    offset = point - polygon
    distance = _cross(edges, offset) / length
    reach = (offset * edges).sum(axis=1) / length
    upon = (np.abs(distance) < close) & (reach > -close) & (reach < length + close)
    if upon.any():
        same_way = float(edges[upon][0] @ along) > 0
        return before if same_way else True
    x, y = polygon.T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    spans = (y > point[1]) != (next_y > point[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = x + (point[1] - y) * (next_x - x) / (next_y - y)
    return bool(np.count_nonzero(spans & (crossing > point[0])) % 2)


def _rings(pieces: list[tuple[Points, Points]], close: float) -> list[Points]:
    """Chain pieces end to start into closed rings."""
    rings = []
    left = list(pieces)
    while left:
        first, end = left.pop(0)
        ring = [first]
        while float(np.hypot(*(end - first))) > 4 * close and left:
            gaps = [float(np.hypot(*(end - start))) for start, _ in left]
            start, end = left.pop(int(np.argmin(gaps)))
            ring.append(start)
        corners = np.array(ring)
        bend = _cross(corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - corners)
        sides = np.hypot(*(corners - np.roll(corners, 1, axis=0)).T)
        corners = corners[np.abs(bend) > close * np.maximum(sides, close)]
        if len(corners) > 2:
            rings.append(corners)
    return rings
