"""Transforms and frames of a gWCS as an ASDF file holds them: mappings of plain values.

The tags are those of the first versions that say all that is said here, which all libraries read.
"""

from functools import reduce
from typing import Any

import numpy as np

from calcore.wcs.plain import Polynomial
from calcore.wcs.plain_asdf import KIND, VALUE

Node = dict[str, Any]


def transform(kind: str, **values: Any) -> Node:
    """Return a transform of ASDF's own."""
    return {KIND: f"tag:stsci.edu:asdf/transform/{kind}", **values}


def gwcs(kind: str, **values: Any) -> Node:
    """Return a transform, or frame, of gwcs."""
    return {KIND: f"tag:stsci.edu:gwcs/{kind}", **values}


def then(*parts: Node) -> Node:
    """Return transforms one after the other."""
    return reduce(lambda one, next_: transform("compose-1.2.0", forward=[one, next_]), parts)


def beside(*parts: Node) -> Node:
    """Return transforms that have variables of their own each."""
    return reduce(lambda one, other: transform("concatenate-1.2.0", forward=[one, other]), parts)


def both(pair: tuple[Polynomial, Polynomial]) -> Node:
    """Return two polynomials of four variables."""
    return beside(*map(polynomial, pair))


def identity(axes: int) -> Node:
    """Return the transform that leaves its variables as they are."""
    return transform("identity-1.2.0", n_dims=axes)


def constant(value: float) -> Node:
    """Return the transform that is a number."""
    return transform("constant-1.4.0", value=value, dimensions=1)


def scale(factor: float) -> Node:
    """Return a factor."""
    return transform("scale-1.2.0", factor=factor)


def shift(offset: float) -> Node:
    """Return what adds a number."""
    return transform("shift-1.2.0", offset=offset)


def spherical(kind: str, wrap: int) -> Node:
    """Return the way between angles and unit vectors; longitudes wrap at an angle [deg]."""
    return gwcs("spherical_cartesian-1.0.0", transform_type=kind, wrap_lon_at=wrap)


def polynomial(one: Polynomial) -> Node:
    """Return a polynomial of two variables, or of one if it depends on none."""
    terms = one.terms
    if terms.size == 1:
        return constant(float(terms[0, 0]))
    size = max(terms.shape)
    powers = np.arange(size)
    square = np.zeros((size, size))
    square[: terms.shape[0], : terms.shape[1]] = terms
    square[powers[:, None] + powers >= size] = 0.0
    plain = transform("polynomial-1.2.0", coefficients=square)
    if not any(one.shift):
        return plain
    return then(beside(*(shift(by) if by else identity(1) for by in one.shift)), plain)


def axes(count: int) -> list[str]:
    """Return names of variables."""
    return [f"x{axis}" for axis in range(count)]


def units(*names: str) -> list[Node]:
    """Return units."""
    return [{KIND: "tag:stsci.edu:asdf/unit/unit-1.0.0", VALUE: name} for name in names]


def plane(name: str, axes: tuple[str, str], unit: str) -> Node:
    """Return a frame of two axes of one unit."""
    return gwcs(
        "frame2d-1.0.0", name=name, axes_names=list(axes), axes_order=[0, 1],
        axis_physical_types=[f"custom:{axis}" for axis in axes], unit=units(unit, unit),
    )  # fmt: skip


def composite(name: str, place: Node) -> Node:
    """Return the frame of a place and a wavelength [um]."""
    wavelength = gwcs(
        "spectral_frame-1.0.0", name="spectral", axes_names=["lambda"], axes_order=[2],
        axis_physical_types=["em.wl"], unit=units("um"),
    )  # fmt: skip
    return gwcs("composite_frame-1.0.0", name=name, frames=[place, wavelength])


def with_wavelength(name: str, axes: tuple[str, str]) -> Node:
    """Return a frame of two angles [arcsec] and a wavelength [um]."""
    return composite(name, plane(f"{name}_spatial", axes, "arcsec"))


def sky() -> Node:
    """Return the sky: ICRS right ascension and declination [deg], wavelength [um]."""
    reference = {
        KIND: "tag:astropy.org:astropy/coordinates/frames/icrs-1.1.0",
        "frame_attributes": {},
    }
    place = gwcs(
        "celestial_frame-1.0.0", name="icrs", axes_names=["RA", "DEC"], axes_order=[0, 1],
        axis_physical_types=["pos.eq.ra", "pos.eq.dec"], unit=units("deg", "deg"),
        reference_frame=reference,
    )  # fmt: skip
    return composite("world", place)


def voxels() -> Node:
    """Return the frame of a cube's voxels (x, y, plane), counted from 0 [pixel]."""
    return gwcs(
        "frame-1.0.0", name="detector", axes_names=["x", "y", "z"], axes_order=[0, 1, 2],
        axes_type=["SPATIAL"] * 3, axis_physical_types=["custom:SPATIAL"] * 3, naxes=3,
        unit=units(*["pixel"] * 3),
    )  # fmt: skip


def bounding_box(**sizes: int) -> Node:
    """Return the outer edges of pixels along axes of some sizes."""
    intervals = {name: [-0.5, size - 0.5] for name, size in sizes.items()}
    return transform("property/bounding_box-1.0.0", order="F", intervals=intervals)


def wcs(steps: list[tuple[Node, Node | None]]) -> Node:
    """Return a gWCS of frames, each with the transform to the next."""
    made = [gwcs("step-1.0.0", frame=frame, transform=to_next) for frame, to_next in steps]
    return gwcs("wcs-1.0.0", name="", steps=made)
