"""Give an exposure of the image slicers its world coordinates."""

from dataclasses import dataclass

import numpy as np

from calcore.model import Image
from calcore.step import Step
from calcore.steps.calibration.assign_wcs import pointing_of
from calcore.wcs.doppler import barycentric
from calcore.wcs.footprint import enclosing_region
from calcore.wcs.slicer import SlicedCoordinates
from calcore_miri.references import (
    SlicerDistortion,
    SlicerRanges,
    SlicerRegions,
    SlicerWavelengths,
)
from calcore_miri.wcs.slices import fields_of, labels_of, slices_of


@dataclass(frozen=True, kw_only=True)
class AssignWcs(Step):
    """Attach the transform from pixels to the sky and to wavelengths, slice by slice.

    It runs through the frames detector, alpha_beta (along and across slices), v2v3, v2v3vacorr and
    world (Patapis et al. 2024, A&A 682, A53; Argyriou et al. 2023, A&A 675, A111). Wavelengths are
    those at the barycentre if VELOSYS is known: SPECSYS says which. The header gets the footprint
    S_REGION. Pixels between slices have no coordinates; no pixel is changed.
    """

    required = frozenset({"distortion", "specwcs", "regions", "wavelengthrange"})
    cites = ("Patapis et al. 2024, A&A 682, A53", "Argyriou et al. 2023, A&A 675, A111")

    def apply(
        self,
        image: Image,
        *,
        distortion: SlicerDistortion,
        specwcs: SlicerWavelengths,
        regions: SlicerRegions,
        wavelengthrange: SlicerRanges,
    ) -> Image:
        """Attach `wcs`, from pixels (x, y) counted from 0 to ICRS [deg] and wavelengths [um].

        Raises
        ------
        ReferenceInvalid
            References do not belong together, or are not as they should be.
        KeywordMissing
            The header does not say where the telescope looked.
        """
        meta = image.meta
        fields = fields_of(distortion, wavelengthrange)
        slices = slices_of(distortion, specwcs, fields)
        velocity = meta.get("wcsinfo.velosys")
        coordinates = SlicedCoordinates(
            labels=labels_of(regions, slices, meta, image.data.shape[-2:]),
            slices=tuple(part.seen_from(*meta.subarray_origin) for part in slices),
            fields=fields,
            pointing=pointing_of(meta),
            stretch=barycentric(velocity),
        )
        ra, dec = np.concatenate(coordinates.edges(), axis=1)
        changes = {
            "wcsinfo.s_region": enclosing_region(ra, dec),
            "wcsinfo.dispersion_direction": meta.facts.exposure_type.data["dispersion_axis"],
            "wcsinfo.specsys": "TOPOCENT" if velocity is None else "BARYCENT",
        }
        return image.replace(wcs=coordinates, meta=meta.set(changes))
