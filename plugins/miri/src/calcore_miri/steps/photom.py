"""Convert count rates of the image slicers to surface brightness."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid
from calcore.kernels.invalid import reconcile
from calcore.kernels.multiplicative import multiply
from calcore.kernels.photometry import MICROJANSKY_PER_SQUARE_ARCSEC
from calcore.model import Image
from calcore.model.cubing import coordinates_of
from calcore.parameters import Doc
from calcore.step import Step
from calcore_miri.kernels.transmission import sensitivity_left
from calcore_miri.references import SlicerPhotom

_AREAS = ("photometry.pixelarea_steradians", "photometry.pixelarea_arcsecsq")
_CONVERSION = "photometry.conversion_megajanskys"
_COLUMNS = ("binwave", "alpha", "year1value", "tsoft", "t0")


@dataclass(frozen=True, kw_only=True)
class Photom(Step):
    """Multiply an image of the slicers by the flux calibration of each pixel.

    The result is in MJy/sr. It is divided by the sensitivity left at the time of the exposure, by
    channel and wavelength, where the reference knows how that changes (Law et al. 2025, AJ 169, 67).
    Pixels that are NaN in any plane, or flagged DO_NOT_USE by exposure or reference, are made so in
    all. The header gets the reference's PHOTMJSR and areas.
    """

    cites = ("Law et al. 2025, AJ 169, 67",)

    inverse: Annotated[bool, Doc("Undo the conversion: back to DN/s.")] = False
    apply_time_correction: Annotated[
        bool, Doc("Allow for the change of sensitivity with time.")
    ] = True

    def apply(self, image: Image, *, photom: SlicerPhotom) -> Image:
        """Convert signal, errors and variances.

        Raises
        ------
        ReferenceInvalid
            A table of the reference lacks a column, or repeats a wavelength.
        KeywordMissing
            The header does not say when the exposure was taken.
        CalcoreError
            The image has no world coordinates of an image slicer, which the change with time needs.
        """
        by = photom.data.astype(np.float64)
        if self.apply_time_correction and any(_tables(photom).values()):
            by /= _left(image, photom)
        planes = {
            name: multiply(plane, by, variance=name.startswith("var"), inverse=self.inverse)
            for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat")
            if (plane := getattr(image, name)) is not None
        }
        unit = "DN/s" if self.inverse else "MJy/sr"
        conversion = photom.meta.get(_CONVERSION)
        changes: dict[str, Any] = {"bunit_data": unit, "bunit_err": unit, _CONVERSION: conversion}
        changes |= {name: photom.meta.get(name) for name in _AREAS}
        changes["photometry.conversion_microjanskys"] = (
            None if conversion is None else conversion * MICROJANSKY_PER_SQUARE_ARCSEC
        )
        return image.replace(
            meta=image.meta.set(changes), **reconcile(image.dq | photom.dq, planes)
        )


def _tables(photom: SlicerPhotom) -> dict[int, Mapping[str, NDArray[np.float64]]]:
    """Return what is known of each channel's change with time."""
    found: dict[int, Mapping[str, NDArray[np.float64]]] = {}
    for channel in (1, 2, 3, 4):
        table = getattr(photom, f"channel_{channel}")
        if table is None or not len(table):
            continue
        lacks = [name for name in _COLUMNS if name not in table.dtype.names]
        if lacks or np.unique(table["binwave"]).size < len(table):
            fault = f"no column {', '.join(lacks)}" if lacks else "one binwave in several rows"
            raise ReferenceInvalid(
                f"reference photom: the table TIMECOEFF_POWERLAW_CH{channel} has {fault}; give "
                "another file, or set photom.apply_time_correction to false"
            )
        found[channel] = {name: np.asarray(table[name], np.float64) for name in _COLUMNS}
    return found


def _left(image: Image, photom: SlicerPhotom) -> NDArray[np.float64]:
    """Return the sensitivity of each pixel over that at the epoch (ny, nx); 1 between slices."""
    coordinates, tables = coordinates_of(image), _tables(photom)
    days = image.meta.number("exposure.mid_time")
    left = np.ones(photom.data.shape)
    for field in coordinates.fields:
        if field.number in tables:
            pixels = coordinates.pixels(field)
            wavelengths = coordinates.seen_by(pixels)[3]
            left.flat[pixels] = sensitivity_left(days, tables[field.number], wavelengths)
    return left
