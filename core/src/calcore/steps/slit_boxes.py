"""Parameters of steps that sum over apertures along slits, and what they do with them."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import Doubtful
from calcore.flags import DQ
from calcore.kernels.slit_extraction import MEDIAN_VARIANCE, Fit, Sums, boxed
from calcore.model.exposure import Image
from calcore.parameters import Doc, Range, Unit
from calcore.step import Step
from calcore.steps import _slit_apertures as on_slit
from calcore.steps._slit_pixels import Pixels

_ENOUGH = 0.5
"""Of an aperture, this much must be seen."""


@dataclass(frozen=True, kw_only=True)
class BoxStep(Step):
    """Base of steps that sum, at each wavelength, what is in an aperture along a slit.

    What regions beside it say of the background there is subtracted.
    """

    subtract_background: Annotated[
        bool | None, Doc("Subtract the background; None: if the reference has regions for it.")
    ] = None
    apply_apcorr: Annotated[bool, Doc("Correct for what the aperture misses.")] = True
    use_source_posn: Annotated[
        bool | None,
        Doc("Move the aperture to the target; None: as the reference says, else point sources'."),
    ] = None
    position_offset: Annotated[
        float, Unit("pixel"), Doc("Move aperture and regions so far along the slit.")
    ] = 0.0
    aperture: Annotated[
        Literal["follow", "straight"],
        Doc(
            "follow: an aperture that is moved to the target goes with it along the spectrum. "
            "straight: only if the reference gives its width."
        ),
    ] = "follow"
    smoothing_length: Annotated[
        int | None, Range(0), Unit("pixel"),
        Doc("The background is averaged over so many wavelengths; None: as the reference says."),
    ] = None  # fmt: skip
    bkg_fit: Annotated[
        Literal["poly", "mean", "median"] | None,
        Doc("What the background is along the slit; None: as the reference says."),
    ] = None
    bkg_order: Annotated[
        int | None, Range(0), Doc("Of the polynomial; None: as the reference says.")
    ] = None
    holes: Annotated[
        Literal["fill", "leave"],
        Doc(
            "fill: pixels that are NaN or flagged DO_NOT_USE are filled from wavelengths beside, "
            "and less than half an aperture, or no background, gives NaN. leave: they count as "
            "nothing, in the background, too."
        ),
    ] = "fill"
    longest_gap: Annotated[int, Range(0), Doc("So many wavelengths are filled at most.")] = 3
    median_factor: Annotated[
        float, Range(1), Doc("Variance of a median of the background over that of a mean.")
    ] = MEDIAN_VARIANCE

    @property
    def gap(self) -> int:
        """As many wavelengths are filled, at most."""
        return self.longest_gap if self.holes == "fill" else 0

    def boxes(self, image: Image, entry: Mapping[str, Any], trace: on_slit.Traced) -> on_slit.Boxes:
        """Return the regions, moved to the source if need be."""
        use = self.use_source_posn
        if use is None:
            use = entry.get("use_source_posn")
        if use is None:
            series = image.per_integration or (
                image.meta.has_facts and image.meta.facts.exposure_type.time_series
            )
            use = image.meta.get("target.source_type") == "POINT" and not series
        place = on_slit.source_of(image, trace) if use else None
        if use and place is None:
            said = "the target is not in the slit, or not told, so the aperture stays where it is"
            warnings.warn(f"{said}; set use_source_posn to false", Doubtful, stacklevel=3)
        return on_slit.boxes_of(
            entry, trace, self.position_offset, place, follow=self.aperture == "follow"
        )

    def sums(
        self, pixels: Pixels, boxes: on_slit.Boxes, entry: Mapping[str, Any]
    ) -> tuple[Sums, NDArray[np.uint32]]:
        """Return sums of one integration, and flags of each row."""
        way: Any = self.bkg_fit or entry.get("bkg_fit") or "poly"
        order = entry.get("bkg_order", 0) if self.bkg_order is None else self.bkg_order
        length = self.smoothing_length
        fit: Fit = "median" if way == "median" else "poly"
        sums = boxed(
            pixels.data, pixels.variances, pixels.good, boxes.aperture,
            None if self.subtract_background is False else boxes.beside,
            fit=fit, order=0 if way == "mean" else int(order or 0),
            smoothing=int((entry.get("smoothing_length") if length is None else length) or 1),
            median_variance=self.median_factor,
        )  # fmt: skip
        if self.holes == "leave" and fit == "poly":
            known = ~np.isnan(sums.background)
            zero = [
                np.where(known, part, 0.0) for part in (sums.background, sums.background_variances)
            ]
            sums = sums._replace(background=zero[0], background_variances=zero[1])
        elif self.holes == "fill":
            few = sums.area < _ENOUGH * boxes.aperture.sum(axis=1)
            sums = sums._replace(total=np.where(few, np.nan, sums.total))
        filled = (pixels.filled & (boxes.aperture > 0)).any(axis=1)
        flags: NDArray[np.uint32] = np.asarray(filled * np.uint32(DQ.FLUX_ESTIMATED), np.uint32)
        return sums, flags
