"""Directions of light as unit vectors, and how they turn.

In the spectrograph's planes a direction is given by its tangents x/z and y/z, at its dispersers by
the unit vector itself (Dorner et al. 2016, A&A 592, A113, section 3). Vectors stand along axis 0.
"""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def unit_vector(tangent_x: Float, tangent_y: Float) -> Float:
    """Return the unit vectors (3, …) of directions given by their tangents."""
    x, y = np.broadcast_arrays(np.asarray(tangent_x, float), np.asarray(tangent_y, float))
    vector = np.stack([x, y, np.ones_like(x)])
    return np.asarray(vector / np.sqrt(x * x + y * y + 1))


def tangents(vector: Float) -> tuple[Float, Float]:
    """Return the tangents of unit vectors (3, …)."""
    return vector[0] / vector[2], vector[1] / vector[2]


def rotation(angles_deg: tuple[float, ...], axes: str) -> Float:
    """Return the matrix (3, 3) that gives a vector's components in a frame that has been turned.

    Parameters
    ----------
    angles_deg : tuple of float
        By how much the frame is turned, one angle after the other [degree]; positive ones turn x to
        y, y to z, and z to x.
    axes : str
        About which of its axes: a word of the letters x, y and z.
    """
    matrix = np.eye(3)
    for angle, axis in zip(np.radians(angles_deg), axes, strict=True):
        first = ("xyz".index(axis) + 1) % 3
        second = (first + 1) % 3
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = np.sin(angle), -np.sin(angle)
        matrix = turn @ matrix
    return matrix


def turned(matrix: Float, vector: Float) -> Float:
    """Return vectors (3, …) multiplied by a matrix (3, 3)."""
    return np.tensordot(matrix, vector, axes=1)


def on_unit_sphere(x: Float, y: Float) -> Float:
    """Return unit vectors (3, …) of which two components are known; NaN if there is none."""
    x, y = np.broadcast_arrays(x, y)
    rest = 1 - x * x - y * y
    return np.stack([x, y, np.sqrt(np.where(rest > 0, rest, np.nan))])
