"""Parameters of steps that fit a source's profile along slits, and what they do with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid
from calcore.kernels.slit_profile import Fit, Profile, best_shift, fitted
from calcore.model.exposure import Image
from calcore.model.reference import SlitProfile
from calcore.parameters import Doc
from calcore.steps import _slit_apertures as on_slit
from calcore.steps._slit_pixels import Pixels
from calcore.steps.slit_boxes import BoxStep

F8 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sources:
    """Where along a slit the source is, and one that was subtracted with the background (n_row,)."""

    profile: Profile
    trace: on_slit.Traced
    source: F8
    subtracted: F8 | None

    def profiles(self, shift: float, *, both: bool) -> list[F8]:
        """Return the light of each, the first moved by a `shift` and the other against it."""
        wavelength = self.trace.by_row()
        columns = self.trace.wavelength.shape[1]
        places = [self.source + shift]
        if both and self.subtracted is not None:
            places.append(self.subtracted + shift)
        return [self.profile.at(wavelength, place, columns) for place in places]


@dataclass(frozen=True, kw_only=True)
class ProfileStep(BoxStep):
    """Base of steps that fit, at each wavelength, how a point source's light lies along a slit."""

    extraction_type: Annotated[
        Literal["box", "optimal"],
        Doc("Sum over an aperture, or fit the profile of a point source."),
    ] = "box"
    model_nod_pair: Annotated[
        bool, Doc("Fit also the source that was subtracted with the background of a nod.")
    ] = True
    optimize_psf_location: Annotated[
        bool, Doc("Find where along the slit the profile fits best.")
    ] = True
    psf_weights: Annotated[
        Literal["variance", "uniform"], Doc("Weigh pixels by their variance, or all alike.")
    ] = "variance"

    def sources(
        self, image: Image, trace: on_slit.Traced, boxes: on_slit.Boxes, psf: SlitProfile | None
    ) -> Sources:
        """Return where the source is, or the middle of the aperture, and how its light lies.

        Raises
        ------
        ReferenceInvalid
            There is no profile, or it does not say where its middle is.
        """
        if psf is None:
            raise ReferenceInvalid(
                "there is no reference psf, which extraction_type 'optimal' needs; give one with "
                "--ref psf=FILE, or set extract_1d.extraction_type to 'box'"
            )
        axis = "row" if trace.along_rows else "column"
        told = [psf.meta.get(name) for name in (f"psf.centre_{axis}", "psf.subpixels")]
        if None in told:
            raise ReferenceInvalid(
                f"reference psf: it does not say where its source lies (CENT{axis[:3].upper()}) and "
                "how many sub-pixels make a pixel (SUBPIX); correct the file"
            )
        values = np.asarray(psf.data, np.float64)
        profile = Profile(values, np.asarray(psf.wavelengths, np.float64), *map(float, told))
        place = on_slit.source_of(image, trace) if self.use_source_posn is not False else None
        if place is None:
            place = np.full(len(trace.wavelength), sum(boxes.limits) / 2 - self.position_offset)
        place = place + self.position_offset
        return Sources(profile, trace, place, _subtracted(image, trace, place))

    def fit(
        self, pixels: Pixels, boxes: on_slit.Boxes, entry: Mapping[str, Any], sources: Sources
    ) -> Fit:
        """Return the fit of one integration."""
        order = entry.get("bkg_order", 0) if self.bkg_order is None else self.bkg_order
        beside = None if self.subtract_background is False else boxes.beside

        def tried(shift: float, *, weighted: bool) -> Fit:
            return fitted(
                pixels.data, pixels.variances, pixels.good,
                sources.profiles(shift, both=self.model_nod_pair), beside,
                order=int(order or 0), weighted=weighted,
            )  # fmt: skip

        def residual(shift: float) -> float:
            apart = np.where(pixels.good, pixels.data - tried(shift, weighted=False).scene, np.nan)
            return float(np.nansum(apart**2))

        shift = best_shift(residual) if self.optimize_psf_location else 0.0
        return tried(shift, weighted=self.psf_weights == "variance")


def _subtracted(image: Image, trace: on_slit.Traced, place: F8) -> F8 | None:
    """Return where the source was in the exposure that was subtracted, if this is one of a nod.

    It is as far on the other side of the reference point, about which the telescope nods.
    """
    meta = image.meta
    nodded = "NOD" in str(meta.get("dither.primary_type", "")).upper()
    done = meta.get("cal_step.bkg_subtract") == "COMPLETE"
    position = [meta.get(f"wcsinfo.{axis}_ref") for axis in ("ra", "dec")]
    if not nodded or not done or None in position:
        return None
    middle = on_slit.place_of(image, trace, position)
    return None if middle is None else 2 * middle - place
