"""Parameters and parts of steps that convert count rates by a table of conversions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid
from calcore.kernels import photometry
from calcore.kernels.invalid import reconcile
from calcore.kernels.multiplicative import multiply
from calcore.model import Image, Meta, Reference
from calcore.model.reference import Area
from calcore.model.reference import Photom as PhotomReference
from calcore.parameters import Doc
from calcore.step import Step

Exposure = TypeVar("Exposure", bound=Image)
_AREAS = ("photometry.pixelarea_steradians", "photometry.pixelarea_arcsecsq")


@dataclass(frozen=True, kw_only=True)
class ConvertingStep(Step):
    """Base of steps that multiply by a conversion of the optical elements in use.

    The conversion is divided by the sensitivity left at the time of the exposure where the reference
    knows how that changes.
    """

    inverse: Annotated[bool, Doc("Undo the conversion: back to DN/s.")] = False
    apply_time_correction: Annotated[
        bool, Doc("Allow for the change of sensitivity with time.")
    ] = True
    missing_row: Annotated[
        Literal["fail", "keep"],
        Doc("If no row of the table is for this exposure: fail, or keep the image in DN/s."),
    ] = "fail"

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Find the conversion before any pixel is read.

        Raises
        ------
        ReferenceInvalid
            The table has no row for this exposure, or several.
        """
        photom = references["photom"]
        assert isinstance(photom, PhotomReference)
        self.conversion(meta, photom)

    def conversion(self, meta: Meta, photom: PhotomReference) -> float | None:
        """Return the factor from DN/s to MJy/sr; None if there is none, and that may be."""
        elements = elements_of(meta)
        row = photometry.matching_row(photom.table, elements)
        if row is None and self.missing_row == "keep":
            return None
        if row is None:
            shown = ", ".join(f"{name} {value}" for name, value in elements.items())
            raise ReferenceInvalid(
                f"the photom reference has no row for {shown}; give one that has with "
                "--ref photom=FILE, or set photom.missing_row to 'keep' to stay in DN/s"
            )
        conversion = photometry.value(photom.table, row, "photmjsr")
        left = remaining_sensitivity(meta, photom) if self.apply_time_correction else 1.0
        by = photometry.factor(conversion, left)
        if not 0 < by < math.inf:
            raise ReferenceInvalid(
                f"the photom reference's conversion for this exposure is {by}; it must be "
                "positive; use another reference"
            )
        return by

    def converted(
        self,
        image: Exposure,
        by: NDArray[np.float64] | float,
        conversion: float,
        changes: dict[str, Any],
    ) -> Exposure:
        """Return an exposure times a factor, for each pixel or all; the header gets the conversion."""
        planes = {
            name: multiply(plane, by, variance=name.startswith("var"), inverse=self.inverse)
            for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat")
            if (plane := getattr(image, name)) is not None
        }
        unit = "DN/s" if self.inverse else "MJy/sr"
        changes |= {
            "bunit_data": unit,
            "bunit_err": unit,
            "photometry.conversion_megajanskys": conversion,
            # The reference pipeline multiplies in single precision.
            "photometry.conversion_microjanskys": float(
                np.float32(conversion) * np.float32(photometry.MICROJANSKY_PER_SQUARE_ARCSEC)
            ),
        }
        return image.replace(meta=image.meta.set(changes), **reconcile(image.dq, planes))


def areas_of(photom: PhotomReference, area: Area | None) -> dict[str, Any]:
    """Return the nominal area of pixels as a header has it."""
    return {
        name: (None if area is None else area.meta.get(name)) or photom.meta.get(name)
        for name in _AREAS
    }


def remaining_sensitivity(meta: Meta, photom: PhotomReference) -> float:
    """Return the sensitivity at mid-exposure over that of the conversion's epoch.

    Losses of several forms multiply.
    """
    left = 1.0
    forms: tuple[tuple[Any, Any, dict[str, str]], ...] = (
        (photom.linear_in_time, photometry.linear, {"loss_per_year": "lossperyear"}),
        (
            photom.exponential_in_time,
            photometry.exponential,
            {"amplitude": "amplitude", "tau": "tau", "constant": "const"},
        ),
        (
            photom.power_law_in_time,
            photometry.power_law,
            {"year_1_value": "year1value", "softening": "tsoft", "exponent": "alpha"},
        ),
    )
    for table, form, columns in forms:
        if table is None:
            continue
        row = photometry.matching_row(table, elements_of(meta))
        if row is None:
            raise ReferenceInvalid(
                "the photom reference knows how sensitivity changes, but not for this exposure; "
                "set photom.apply_time_correction to false, or use another reference"
            )
        days = float(meta["exposure.mid_time"]) - photometry.value(table, row, "t0")
        left *= form(days, **{k: photometry.value(table, row, v) for k, v in columns.items()})
    return left


def elements_of(meta: Meta) -> dict[str, str]:
    """Return what selects a row: optical elements and sub-array, as far as the header has them."""
    names = {
        "filter": meta.get("instrument.filter"),
        "pupil": meta.get("instrument.pupil"),
        "subarray": meta.get("subarray.name"),
    }
    return {name: str(value) for name, value in names.items() if value is not None}
