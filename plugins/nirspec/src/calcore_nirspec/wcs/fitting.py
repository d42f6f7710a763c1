"""Polynomials through points of a plane: ways back that agree with the ways there."""

import numpy as np
from astropy.modeling import Model
from astropy.modeling.models import AffineTransformation2D, Polynomial2D, Shift
from astropy.modeling.models import Mapping as Pick

from calcore_nirspec.wcs.directions import Float

DEGREE = 7
"""Enough to turn round the optics' polynomials of degree 5 to a ten-thousandth of a pixel."""


def fitted(start: Float, end: Float, degree: int = DEGREE) -> Model:
    """Return polynomials that lead from points (2, n) to others, about the middle of the former."""
    centre = start.mean(axis=1)
    scale = np.abs(start - centre[:, None]).max()
    x, y = (start - centre[:, None]) / scale
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    design = np.stack([x**i * y**j for i, j in powers], axis=1)
    factors = np.linalg.lstsq(design, end.T, rcond=None)[0]
    planes = [
        Polynomial2D(degree, **{f"c{i}_{j}": f for (i, j), f in zip(powers, own, strict=True)})
        for own in factors.T
    ]
    middle = Shift(-centre[0]) & Shift(-centre[1])
    zoom = AffineTransformation2D([[1 / scale, 0.0], [0.0, 1 / scale]])
    return middle | zoom | Pick((0, 1, 0, 1)) | planes[0] & planes[1]


def turned_round(model: Model, points: Float) -> tuple[Model, Float]:
    """Return a model of the plane whose inverse is fitted to it where points (2, n) lie.

    Returns
    -------
    Model
        A copy, with the inverse.
    float64 (2, n)
        Where it leads the points.
    """
    found = np.stack(model(*points))
    own = model.copy()
    own.inverse = fitted(found, points)
    return own, found
