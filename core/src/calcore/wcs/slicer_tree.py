"""The gWCS of an image slicer, as an ASDF file holds it: mappings of plain values."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calcore.wcs import nodes
from calcore.wcs.nodes import Node
from calcore.wcs.plain import Polynomial
from calcore.wcs.pointing import ARCSEC_PER_DEGREE, Pointing, turns


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
    to_slicer["bounding_box"] = nodes.bounding_box(x0=columns, x1=rows)
    last = nodes.transform("remap_axes-1.3.0", mapping=[2], n_inputs=3)
    ranges = OrderedDict(
        labels=[list(limits) for _, limits, _ in fields],
        models=[nodes.then(last, nodes.constant(float(number))) for number, _, _ in fields],
    )
    to_telescope = _selector(
        "abl_to_v2v3l", 3, [(number, model) for number, _, model in fields],
        {"mapper": ranges, "inputs_mapping": last, "inputs": nodes.axes(3), "outputs": ["labels"]},
    )  # fmt: skip
    steps = [
        (nodes.plane("detector", ("x", "y"), "pixel"), to_slicer),
        (nodes.with_wavelength("alpha_beta", ("alpha", "beta")), to_telescope),
        (
            nodes.with_wavelength("v2v3", ("v2", "v3")),
            nodes.beside(_aberration(pointing), nodes.identity(1)),
        ),
        (
            nodes.with_wavelength("v2v3vacorr", ("v2", "v3")),
            nodes.beside(_attitude(pointing), nodes.identity(1)),
        ),
        (nodes.sky(), None),
    ]
    return nodes.wcs(steps)


def of_slice(
    place: tuple[Polynomial, Polynomial, Polynomial],
    back: tuple[Polynomial, Polynomial],
    stretch: float,
) -> Node:
    """Return the transform of a slice, with its inverse; wavelengths are stretched by a factor."""
    spread = nodes.transform("remap_axes-1.3.0", mapping=[1, 0, 0, 1, 0])
    forward = nodes.then(spread, nodes.beside(*map(nodes.polynomial, place)))
    inverse = nodes.then(
        nodes.transform("remap_axes-1.3.0", mapping=[2, 0, 2, 0]), nodes.both(back)
    )
    if stretch != 1:
        forward = nodes.then(forward, nodes.beside(nodes.identity(2), nodes.scale(stretch)))
        inverse = nodes.then(nodes.beside(nodes.identity(2), nodes.scale(1 / stretch)), inverse)
    return {**forward, "inverse": inverse}


def of_field(there: tuple[Polynomial, Polynomial], back: tuple[Polynomial, Polynomial]) -> Node:
    """Return the transform of a field, with its inverse."""
    forward, inverse = (
        nodes.beside(
            nodes.then(nodes.transform("remap_axes-1.3.0", mapping=[0, 1, 0, 1]), nodes.both(pair)),
            nodes.identity(1),
        )
        for pair in (there, back)
    )
    return {**forward, "inverse": inverse}


def _aberration(pointing: Pointing) -> Node:
    """Return what `pointing.aberration` does."""
    scale = pointing.aberration_scale
    if scale is None or scale == 1.0:
        return nodes.identity(2)
    shifts = ((1 - scale) * at for at in (pointing.v2_arcsec, pointing.v3_arcsec))
    return nodes.then(
        nodes.beside(nodes.scale(scale), nodes.scale(scale)),
        nodes.beside(*map(nodes.shift, shifts)),
    )


def _attitude(pointing: Pointing) -> Node:
    """Return what `pointing.attitude` does."""
    return nodes.then(
        nodes.beside(*[nodes.scale(1 / ARCSEC_PER_DEGREE)] * 2),
        nodes.spherical("spherical_to_cartesian", 180),
        nodes.transform(
            "rotate_sequence_3d-1.0.0",
            angles=turns(pointing), axes_order="zyxyz", rotation_type="cartesian",
        ),
        nodes.spherical("cartesian_to_spherical", 360),
    )  # fmt: skip


def _selector(name: str, axes: int, models: Sequence[tuple[int, Node]], mapper: Node) -> Node:
    """Return a transform that is another one by the label that a mapper gives."""
    chosen = OrderedDict(labels=[n for n, _ in models], transforms=[model for _, model in models])
    return nodes.gwcs(
        "regions_selector-1.0.0", name=name, inputs=nodes.axes(axes), outputs=nodes.axes(3),
        selector=chosen, undefined_transform_value=float("nan"),
        label_mapper=nodes.gwcs("label_mapper-1.0.0", no_label=0, **mapper),
    )  # fmt: skip
