"""The gWCS of an image slicer, as an ASDF file holds it: mappings of plain values.

The tags are those of ASDF standard 1.5.0, which all libraries read.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.wcs.plain import Polynomial
from calcore.wcs.plain_asdf import KIND, VALUE
from calcore.wcs.pointing import ARCSEC_PER_DEGREE, Pointing, turns

Node = dict[str, Any]


def slicer_tree(
    labels: NDArray[np.int32],
    slices: Sequence[tuple[int, Node]],
    fields: Sequence[tuple[int, tuple[float, float], Node]],
    pointing: Pointing,
) -> Node:
    """Return the gWCS from pixels (x, y), through the slicer's frame, to the sky and wavelengths.

    Parameters
    ----------
    labels : int32 (ny, nx)
        Number of each pixel's slice; 0 between slices.
    slices : sequence of (number, transform)
        Of each slice.
    fields : sequence of (number, wavelengths, transform)
        Of each field; shortest and longest wavelength tell it from others [um].
    pointing : Pointing
        Where the aperture's reference point looks.
    """
    rows, columns = labels.shape
    to_slicer = _selector(
        "detector_to_abl", 2, slices,
        {"mapper": labels.astype(np.int16), "inputs": ["x", "y"], "outputs": ["label"]},
    )  # fmt: skip
    to_slicer["bounding_box"] = _transform(
        "property/bounding_box-1.0.0", order="F",
        intervals={"x0": [-0.5, columns - 0.5], "x1": [-0.5, rows - 0.5]},
    )  # fmt: skip
    last = _transform("remap_axes-1.3.0", mapping=[2], n_inputs=3)
    ranges = OrderedDict(
        labels=[list(limits) for _, limits, _ in fields],
        models=[_then(last, _constant(float(number))) for number, _, _ in fields],
    )
    to_telescope = _selector(
        "abl_to_v2v3l", 3, [(number, model) for number, _, model in fields],
        {"mapper": ranges, "inputs_mapping": last, "inputs": _axes(3), "outputs": ["labels"]},
    )  # fmt: skip
    steps = [
        (_plane("detector", ("x", "y"), "pixel"), to_slicer),
        (_with_wavelength("alpha_beta", ("alpha", "beta")), to_telescope),
        (_with_wavelength("v2v3", ("v2", "v3")), _beside(_aberration(pointing), _identity(1))),
        (_with_wavelength("v2v3vacorr", ("v2", "v3")), _beside(_attitude(pointing), _identity(1))),
        (_sky(), None),
    ]
    made = [_gwcs("step-1.0.0", frame=frame, transform=transform) for frame, transform in steps]
    return _gwcs("wcs-1.0.0", name="", steps=made)


def of_slice(
    place: tuple[Polynomial, Polynomial, Polynomial],
    back: tuple[Polynomial, Polynomial],
    stretch: float,
) -> Node:
    """Return the transform of a slice, with its inverse; wavelengths are stretched by a factor."""
    spread = _transform("remap_axes-1.3.0", mapping=[1, 0, 0, 1, 0])
    forward = _then(spread, _beside(*map(_polynomial, place)))
    inverse = _then(_transform("remap_axes-1.3.0", mapping=[2, 0, 2, 0]), _both(back))
    if stretch != 1:
        forward = _then(forward, _beside(_identity(2), _scale(stretch)))
        inverse = _then(_beside(_identity(2), _scale(1 / stretch)), inverse)
    return {**forward, "inverse": inverse}


def of_field(there: tuple[Polynomial, Polynomial], back: tuple[Polynomial, Polynomial]) -> Node:
    """Return the transform of a field, with its inverse."""
    forward, inverse = (
        _beside(
            _then(_transform("remap_axes-1.3.0", mapping=[0, 1, 0, 1]), _both(pair)), _identity(1)
        )
        for pair in (there, back)
    )
    return {**forward, "inverse": inverse}


def _aberration(pointing: Pointing) -> Node:
    """Return what `pointing.aberration` does."""
    scale = pointing.aberration_scale
    if scale is None or scale == 1.0:
        return _identity(2)
    shifts = ((1 - scale) * at for at in (pointing.v2_arcsec, pointing.v3_arcsec))
    return _then(_beside(_scale(scale), _scale(scale)), _beside(*map(_shift, shifts)))


def _attitude(pointing: Pointing) -> Node:
    """Return what `pointing.attitude` does."""
    return _then(
        _beside(*[_scale(1 / ARCSEC_PER_DEGREE)] * 2),
        _spherical("spherical_to_cartesian", 180),
        _transform(
            "rotate_sequence_3d-1.0.0",
            angles=turns(pointing), axes_order="zyxyz", rotation_type="cartesian",
        ),
        _spherical("cartesian_to_spherical", 360),
    )  # fmt: skip


# Transforms.


def _transform(kind: str, **values: Any) -> Node:
    return {KIND: f"tag:stsci.edu:asdf/transform/{kind}", **values}


def _gwcs(kind: str, **values: Any) -> Node:
    return {KIND: f"tag:stsci.edu:gwcs/{kind}", **values}


def _then(*parts: Node) -> Node:
    return reduce(lambda one, next_: _transform("compose-1.2.0", forward=[one, next_]), parts)


def _beside(*parts: Node) -> Node:
    return reduce(lambda one, other: _transform("concatenate-1.2.0", forward=[one, other]), parts)


def _both(pair: tuple[Polynomial, Polynomial]) -> Node:
    return _beside(*map(_polynomial, pair))


def _identity(axes: int) -> Node:
    return _transform("identity-1.2.0", n_dims=axes)


def _constant(value: float) -> Node:
    return _transform("constant-1.4.0", value=value, dimensions=1)


def _scale(factor: float) -> Node:
    return _transform("scale-1.2.0", factor=factor)


def _shift(offset: float) -> Node:
    return _transform("shift-1.2.0", offset=offset)


def _spherical(kind: str, wrap: int) -> Node:
    return _gwcs("spherical_cartesian-1.0.0", transform_type=kind, wrap_lon_at=wrap)


def _polynomial(polynomial: Polynomial) -> Node:
    """Return a polynomial of two variables, or of one if it depends on none."""
    terms = polynomial.terms
    if terms.size == 1:
        return _constant(float(terms[0, 0]))
    size = max(terms.shape)
    powers = np.arange(size)
    square = np.zeros((size, size))
    square[: terms.shape[0], : terms.shape[1]] = terms
    square[powers[:, None] + powers >= size] = 0.0
    plain = _transform("polynomial-1.2.0", coefficients=square)
    if not any(polynomial.shift):
        return plain
    return _then(_beside(*(_shift(by) if by else _identity(1) for by in polynomial.shift)), plain)


def _selector(name: str, axes: int, models: Sequence[tuple[int, Node]], mapper: Node) -> Node:
    """Return a transform that is another one by the label that a mapper gives."""
    chosen = OrderedDict(labels=[n for n, _ in models], transforms=[model for _, model in models])
    return _gwcs(
        "regions_selector-1.0.0", name=name, inputs=_axes(axes), outputs=_axes(3),
        selector=chosen, undefined_transform_value=float("nan"),
        label_mapper=_gwcs("label_mapper-1.0.0", no_label=0, **mapper),
    )  # fmt: skip


def _axes(count: int) -> list[str]:
    return [f"x{axis}" for axis in range(count)]


# Frames.


def _units(*names: str) -> list[Node]:
    return [{KIND: "tag:stsci.edu:asdf/unit/unit-1.0.0", VALUE: name} for name in names]


def _plane(name: str, axes: tuple[str, str], unit: str) -> Node:
    return _gwcs(
        "frame2d-1.0.0", name=name, axes_names=list(axes), axes_order=[0, 1],
        axis_physical_types=[f"custom:{axis}" for axis in axes], unit=_units(unit, unit),
    )  # fmt: skip


def _composite(name: str, place: Node) -> Node:
    wavelength = _gwcs(
        "spectral_frame-1.0.0", name="spectral", axes_names=["lambda"], axes_order=[2],
        axis_physical_types=["em.wl"], unit=_units("um"),
    )  # fmt: skip
    return _gwcs("composite_frame-1.0.0", name=name, frames=[place, wavelength])


def _with_wavelength(name: str, axes: tuple[str, str]) -> Node:
    return _composite(name, _plane(f"{name}_spatial", axes, "arcsec"))


def _sky() -> Node:
    reference = {
        KIND: "tag:astropy.org:astropy/coordinates/frames/icrs-1.1.0",
        "frame_attributes": {},
    }
    place = _gwcs(
        "celestial_frame-1.0.0", name="icrs", axes_names=["RA", "DEC"], axes_order=[0, 1],
        axis_physical_types=["pos.eq.ra", "pos.eq.dec"], unit=_units("deg", "deg"),
        reference_frame=reference,
    )  # fmt: skip
    return _composite("world", place)
