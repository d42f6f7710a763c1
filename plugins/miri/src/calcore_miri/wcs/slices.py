"""MIRI's image slicers, from the reference files that describe them."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid
from calcore.model import Meta
from calcore.wcs.plain import pair_of, polynomial_of
from calcore.wcs.slicer import Field, Slice
from calcore_miri.references import (
    SlicerDistortion,
    SlicerRanges,
    SlicerRegions,
    SlicerWavelengths,
)

T = TypeVar("T", bound=np.generic)
THROUGHPUT_PLANE = 7
"""Of nine planes that count a pixel to its slice from 0.1, 0.2 … of its throughput on, that of 0.8."""
PLANES = 9
BANDS = {"SHORT": "A", "MEDIUM": "B", "LONG": "C"}
"""Bands by BAND, as they are called behind a channel's number."""
HALVES = {"MIRIFUSHORT": (1, 2), "MIRIFULONG": (4, 3)}
"""Channels on the left and on the right half of each detector."""
_BETWEEN = {"MIRIFUSHORT": (503, 516), "MIRIFULONG": (474, 507)}
"""First column between the channels of each detector, and the one after the last."""
_ROWS = (50, 974)


def fields_of(distortion: SlicerDistortion, ranges: SlicerRanges) -> tuple[Field, ...]:
    """Return the fields of view of the channels that the distortion describes.

    Raises
    ------
    ReferenceInvalid
        A file is not as it should be.
    """
    limits = dict(zip(ranges.names, ranges.ranges, strict=True))
    found = []
    for name, model in zip(
        distortion.field["channel_band"], distortion.field["model"], strict=True
    ):
        if name not in limits:
            raise ReferenceInvalid(
                f"reference wavelengthrange: it has no {name}, which the distortion describes; it "
                f"has {', '.join(limits)}. Give references of one delivery"
            )
        low, high = (float(limit) for limit in limits[name])
        try:
            there, back = pair_of(model), pair_of(model["inverse"])
        except (KeyError, ValueError) as error:
            raise ReferenceInvalid(
                f"reference distortion: abv2v3_model of {name}: {error}; give another file"
            ) from error
        found.append(
            Field(number=int(name[0]), wavelengths=(low, high), to_telescope=there, back=back)
        )
    return tuple(found)


def slices_of(
    distortion: SlicerDistortion, wavelengths: SlicerWavelengths, fields: tuple[Field, ...]
) -> tuple[Slice, ...]:
    """Return the slices of all fields; a slice's number is a hundred times its field's and more.

    Raises
    ------
    ReferenceInvalid
        The files disagree, or are not as they should be.
    """
    if list(distortion.slices) != list(wavelengths.slices):
        raise ReferenceInvalid(
            "references distortion and specwcs describe other slices; give those of one band"
        )
    places = {field.number: place for place, field in enumerate(fields)}
    models = zip(
        distortion.slices, distortion.alpha, distortion.beta, wavelengths.wavelengths,
        distortion.x, distortion.y, strict=True,
    )  # fmt: skip
    found = []
    for number, *parts in models:
        try:
            alpha, beta, wavelength, x, y = (polynomial_of(part) for part in parts)
            field = places[int(number) // 100]
        except (KeyError, ValueError) as error:
            raise ReferenceInvalid(
                f"references distortion and specwcs, slice {number}: {error}; give other files"
            ) from error
        found.append(
            Slice(number=int(number), field=field, place=(alpha, beta, wavelength), back=(x, y))
        )
    return tuple(found)


def plane_of(
    regions: SlicerRegions, plane: int, meta: Meta, shape: tuple[int, int]
) -> NDArray[np.int32]:
    """Return one of the planes that count pixels to slices (ny, nx), in an exposure's sub-array.

    Raises
    ------
    ReferenceInvalid
        There are not nine planes, or they do not cover the exposure.
    """
    planes: Any = regions.labels
    if planes.ndim != 3 or planes.shape[0] < PLANES:
        raise ReferenceInvalid(
            f"reference regions: its shape is {planes.shape} instead of nine planes; give another"
        )
    row, column = meta.subarray_origin
    labels: NDArray[Any] = planes[plane, row : row + shape[0], column : column + shape[1]]
    if labels.shape != shape:
        raise ReferenceInvalid(
            f"reference regions: its planes {planes.shape[1:]} do not cover the exposure's {shape} "
            f"from row {row + 1}, column {column + 1} on; give another"
        )
    return labels.astype(np.int32)


def between_channels(meta: Meta, plane: NDArray[T]) -> NDArray[T]:
    """Return the part of an exposure's plane between its two channels, where no light falls."""
    spans = zip((_ROWS, _BETWEEN[meta.detector]), meta.subarray_origin, strict=True)
    rows, columns = (slice(*(max(0, at - origin) for at in span)) for span, origin in spans)
    return plane[rows, columns]


def labels_of(
    regions: SlicerRegions, slices: tuple[Slice, ...], meta: Meta, shape: tuple[int, int]
) -> NDArray[np.int32]:
    """Return the number of each pixel's slice (ny, nx) in an exposure's sub-array; 0 between slices.

    Raises
    ------
    ReferenceInvalid
        There are not nine planes, they do not cover the exposure, or label slices that nothing describes.
    """
    labels = plane_of(regions, THROUGHPUT_PLANE, meta, shape)
    unknown = set(np.unique(labels).tolist()) - {0} - {part.number for part in slices}
    if unknown:
        raise ReferenceInvalid(
            f"reference regions labels slices {sorted(unknown)}, which the distortion does not "
            "describe; give references of one band"
        )
    return labels
