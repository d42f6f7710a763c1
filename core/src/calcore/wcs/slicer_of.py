"""An image slicer's geometry, taken from the gWCS of a product."""

import numpy as np
from astropy.modeling import CompoundModel, Model
from astropy.modeling.models import (
    Const1D,
    Identity,
    Mapping,
    Polynomial2D,
    RotationSequence3D,
    Scale,
    Shift,
)
from gwcs import WCS
from gwcs.selector import LabelMapperArray, RegionsSelector
from numpy.polynomial.polynomial import polyval2d
from numpy.typing import NDArray

from calcore.wcs.plain import Polynomial
from calcore.wcs.pointing import ARCSEC_PER_DEGREE, Pointing
from calcore.wcs.slicer import Field, Slice, SlicedCoordinates

_JOINTS = Mapping, Scale
"""What may stand between polynomials; by how much wavelengths are scaled is found otherwise."""


def slicer_of(wcs: WCS) -> SlicedCoordinates | None:
    """Return the same coordinates in a form that maps whole frames quickly.

    Parameters
    ----------
    wcs : gwcs.WCS
        Of a product of an image slicer, ours or the reference pipeline's.

    Returns
    -------
    SlicedCoordinates or None
        None if these are not polynomials of each slice and each field.
    """
    steps = [step.transform for step in wcs.pipeline[:-1]]
    selectors = steps[:2]
    if len(steps) != 4 or not all(isinstance(step, RegionsSelector) for step in selectors):
        return None
    to_slicer, to_telescope = selectors
    mapper = to_slicer.label_mapper
    if not isinstance(mapper, LabelMapperArray):
        return None
    labels = np.asarray(mapper.mapper, np.int32)
    try:
        fields = tuple(_field(number, to_telescope) for number in to_telescope.selector)
        slices = tuple(_slice(number, to_slicer, labels, fields) for number in to_slicer.selector)
        return SlicedCoordinates(
            labels=labels,
            slices=slices,
            fields=fields,
            pointing=_pointing(steps[2], steps[3]),
            stretch=_stretch(to_slicer, slices[0], labels),
        )
    except (LookupError, RuntimeError, StopIteration, ValueError):
        return None


def _field(number: int, selector: RegionsSelector) -> Field:
    model = selector.selector[number]
    limits = next(
        limits
        for limits, label in selector.label_mapper.mapper.items()
        if int(label(*(0.0,) * label.n_inputs)) == number
    )
    return Field(
        number=int(number),
        wavelengths=(float(limits[0]), float(limits[1])),
        to_telescope=_pair(model),
        back=_pair(model.inverse),
    )


def _slice(
    number: int, selector: RegionsSelector, labels: NDArray[np.int32], fields: tuple[Field, ...]
) -> Slice:
    model = selector.selector[number]
    alpha, beta, wavelength = _polynomials(model, 3)
    middle = model(*_pixel(labels, number))[2]
    field = next(
        place
        for place, one in enumerate(fields)
        if one.wavelengths[0] <= middle <= one.wavelengths[1]
    )
    return Slice(
        number=int(number), field=field, place=(alpha, beta, wavelength), back=_pair(model.inverse)
    )


def _pixel(labels: NDArray[np.int32], number: int) -> tuple[float, float]:
    """Return x and y of a pixel in the middle of a slice."""
    rows, columns = np.nonzero(labels == number)
    middle = rows.size // 2
    return float(columns[middle]), float(rows[middle])


def _stretch(selector: RegionsSelector, one: Slice, labels: NDArray[np.int32]) -> float:
    """Return by how much wavelengths are more than the slice's polynomial says."""
    x, y = _pixel(labels, one.number)
    polynomial = one.place[2]
    plain = polyval2d(y + polynomial.shift[0], x + polynomial.shift[1], polynomial.terms)
    return float(selector.selector[one.number](x, y)[2] / plain)


def _pointing(aberration: Model, attitude: Model) -> Pointing:
    scale = next((leaf for leaf in _leaves(aberration) if isinstance(leaf, Scale)), None)
    turns = next(leaf for leaf in _leaves(attitude) if isinstance(leaf, RotationSequence3D))
    v2, v3, roll, dec, ra = (float(angle) for angle in turns.angles.value)
    return Pointing(
        ra_deg=-ra,
        dec_deg=dec,
        roll_deg=roll,
        v2_arcsec=v2 * ARCSEC_PER_DEGREE,
        v3_arcsec=-v3 * ARCSEC_PER_DEGREE,
        aberration_scale=None if scale is None else float(scale.factor.value),
    )


def _pair(model: Model) -> tuple[Polynomial, Polynomial]:
    first, second = _polynomials(model, 2)
    return first, second


def _polynomials(model: Model, count: int) -> tuple[Polynomial, ...]:
    """Return the first polynomials of a transform, each with the shifts before it."""
    found: list[Polynomial] = []
    shifts: list[float] = []
    for leaf in _leaves(model):
        if isinstance(leaf, Shift):
            shifts.append(float(leaf.offset.value))
        elif isinstance(leaf, Identity):
            shifts += [0.0] if leaf.n_inputs == 1 else []
        elif isinstance(leaf, Const1D):
            found.append(Polynomial(np.array([[float(leaf.amplitude.value)]])))
        elif isinstance(leaf, Polynomial2D):
            first, second = shifts or (0.0, 0.0)
            found.append(Polynomial(_terms(leaf), (first, second)))
            shifts = []
        elif not isinstance(leaf, _JOINTS):
            break
        if len(found) == count:
            return tuple(found)
    raise ValueError(f"there are not {count} polynomials and nothing but what joins them")


def _terms(model: Polynomial2D) -> NDArray[np.float64]:
    size = model.degree + 1
    terms = np.zeros((size, size))
    for name in model.param_names:
        first, second = (int(power) for power in name.removeprefix("c").split("_"))
        terms[first, second] = getattr(model, name).value
    return terms


def _leaves(model: Model) -> list[Model]:
    """Return what a compound model is made of, in order."""
    return list(model) if isinstance(model, CompoundModel) else [model]
