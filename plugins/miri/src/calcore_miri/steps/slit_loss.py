"""Make up for light of a point source that does not enter the slit."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import CalcoreError, Doubtful, ReferenceInvalid, StepSkipped
from calcore.kernels.by_wavelength import by_wavelength
from calcore.kernels.invalid import reconcile
from calcore.kernels.multiplicative import multiply
from calcore.kernels.slit_loss import at_place
from calcore.model import Meta, Reference
from calcore.model.slit import Slit
from calcore.parameters import Doc, Unit
from calcore.step import Step
from calcore.wcs.dispersed_slit import along_slit, middle_of, pixel_size
from calcore_miri.references import SlitLossMap

Place = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class SlitLoss(Step):
    """Multiply the spectrum of a point source by what the slit keeps from it, by place and wavelength.

    The source lies where the acquisition image shows it, if that was measured; else where the header
    says the target is, and in the middle across the slit. Pixels beyond the wavelengths of the reference
    become NaN; pixels that are NaN in any plane, or flagged DO_NOT_USE, are made so in all.
    """

    inverse: Annotated[bool, Doc("Undo the correction.")] = False
    source_type: Annotated[
        Literal["POINT", "EXTENDED"] | None,
        Doc("What the source is, instead of what the header says."),
    ] = None
    user_slit_loc: Annotated[
        float | None, Unit("arcsec"), Doc("How much further across the slit the source lies.")
    ] = None

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Leave out sources that fill the slit."""
        del references
        kind = self.source_type or meta.get("target.source_type")
        if kind != "POINT":
            raise StepSkipped(f"the source is no point source (SRCTYPE is {kind})")

    def apply(self, slit: Slit, *, pathloss: SlitLossMap) -> Slit:
        """Multiply signal, errors and variances, or divide them; attach the factor.

        Raises
        ------
        CalcoreError
            The exposure has no world coordinates or wavelengths, or the header does not say where
            the target is.
        ReferenceInvalid
            The reference is not as it should be.
        """
        if slit.wcs is None or slit.wavelength is None:
            raise CalcoreError("the spectrum has no world coordinates; run assign_wcs first")
        known, values = _losses(pathloss, self._place(slit))
        factor = by_wavelength(slit.wavelength, known, values)
        planes = {
            name: multiply(plane, factor, variance=name.startswith("var"), inverse=self.inverse)
            for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat")
            if (plane := getattr(slit, name)) is not None
        }
        return slit.replace(pathloss_point=factor.astype(np.float32), **reconcile(slit.dq, planes))

    def _place(self, slit: Slit) -> Place:
        """Return where the source lies, from the middle of the slit, along it and across [pixel]."""
        meta = slit.meta
        found = [meta.get(f"slit.source_{axis}pos") for axis in "xy"]
        if None not in found:
            along, across = (
                float(one) - half for one, half in zip(found, middle_of(slit.wcs), strict=True)
            )
        elif {"target.ra", "target.dec"} <= set(meta):
            along = along_slit(slit.wcs, float(meta["target.ra"]), float(meta["target.dec"]))
            across = 0.0
        else:
            raise CalcoreError(
                "the header does not say where the target is (TARG_RA, TARG_DEC), nor was it measured; "
                "set these keywords, or skip pathloss"
            )
        if self.user_slit_loc is not None:
            across += self.user_slit_loc / pixel_size(slit.wcs)
        return along, across


def _losses(
    reference: SlitLossMap, place: Place
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return wavelengths [um] and factors at a place; those of the middle if it is off the map."""
    maps = np.asarray(reference.table["pathloss"], np.float64)
    words = [reference.meta.get(f"loss_map.{n}") for n in ("crpix1", "crpix2", "crval1", "crval2")]
    steps = [reference.meta.get(f"loss_map.cdelt{axis}") for axis in (1, 2)]
    if maps.ndim != 3 or None in words or None in steps or 0 in steps:
        raise ReferenceInvalid(
            "reference pathloss: its extension PATHLOSS must hold a map for each wavelength, and "
            "CRPIX, CRVAL and CDELT of both axes; give another file"
        )

    def at(where: Place) -> NDArray[np.float64] | None:
        column, row = (
            (one - words[2 + axis]) / steps[axis] + words[axis] - 1
            for axis, one in enumerate(where)
        )
        return at_place(maps, column, row)

    found = at(place)
    if found is None:
        warnings.warn(
            f"the source lies {place[0]:.1f} pixels along and {place[1]:.1f} across the slit from its "
            "middle, where losses are not known; those of the middle are taken",
            Doubtful, stacklevel=2,
        )  # fmt: skip
        found = at((0.0, 0.0))
    if found is None:
        raise ReferenceInvalid("reference pathloss: its maps leave out the middle of the slit")
    return np.asarray(reference.table["wavelength"], np.float64), found
