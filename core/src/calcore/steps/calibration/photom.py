"""Convert count rates to surface brightness."""

from collections.abc import Mapping
from dataclasses import dataclass

from calcore.model import Image, Meta, Reference
from calcore.model.reference import Area
from calcore.model.reference import Photom as PhotomReference
from calcore.step import Rows
from calcore.steps.converting import ConvertingStep, areas_of


@dataclass(frozen=True, kw_only=True)
class Photom(ConvertingStep):
    """Multiply an image by the flux calibration of its filter, and attach the area of its pixels.

    The result is in MJy/sr. The conversion is that of the exposure's optical elements and
    sub-array, divided by the sensitivity left at the time of the exposure where the reference
    knows how that changes. Pixels that are NaN in any plane, or flagged DO_NOT_USE, are made so
    in all.
    """

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def apply(self, image: Image, *, photom: PhotomReference, area: Area | None = None) -> Image:
        """Convert signal, errors and variances; write the conversion and the areas."""
        changes = areas_of(photom, area)
        if area is not None:
            image = image.replace(area=area.data)
        conversion = self.conversion(image.meta, photom)
        if conversion is None:
            return image.replace(meta=image.meta.set(changes))
        return self.converted(image, conversion, conversion, changes)
