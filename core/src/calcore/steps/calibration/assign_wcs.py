"""Give an image its world coordinates."""

from dataclasses import dataclass

from calcore.model import Image, Meta
from calcore.model.reference import Distortion, FilterOffset
from calcore.step import ALONE, Room
from calcore.steps.approximation import ApproximatingStep
from calcore.wcs.imaging import imaging_wcs
from calcore.wcs.pointing import Pointing


@dataclass(frozen=True, kw_only=True)
class AssignWcs(ApproximatingStep):
    """Attach the transform from pixels to the sky, and write its approximation into the header.

    The transform runs through the frames detector, v2v3, v2v3vacorr and world. The header gets the
    footprint S_REGION and a tangent projection with SIP polynomials, about CRPIX1 and CRPIX2 where
    the header has them. No pixel is changed.
    """

    required = frozenset({"distortion"})
    cites = ("Cox & Lallo 2017, JWST-STScI-001550",)

    def apply(
        self,
        image: Image,
        *,
        distortion: Distortion,
        filter_offset: FilterOffset | None = None,
        room: Room = ALONE,
    ) -> Image:
        """Attach `wcs`, from pixels (x, y) counted from 0 to ICRS [deg]."""
        del room  # planes may lie in a file: none is looked at
        meta = image.meta
        wcs = imaging_wcs(
            distortion.model,
            pointing_of(meta),
            shape=(image.frame.frame_rows, image.frame.frame_columns),
            corner=meta.subarray_origin,
            offset=offset_of(meta, filter_offset),
        )
        return image.replace(wcs=wcs, meta=self.with_coordinates(meta, wcs))


def pointing_of(meta: Meta) -> Pointing:
    """Return where the aperture's reference point looks.

    Raises
    ------
    KeywordMissing
        The header does not say it.
    """
    return Pointing(
        ra_deg=float(meta["wcsinfo.ra_ref"]),
        dec_deg=float(meta["wcsinfo.dec_ref"]),
        roll_deg=float(meta["wcsinfo.roll_ref"]),
        v2_arcsec=float(meta["wcsinfo.v2_ref"]),
        v3_arcsec=float(meta["wcsinfo.v3_ref"]),
        aberration_scale=meta.get("velocity_aberration.scale_factor"),
    )


def offset_of(meta: Meta, reference: FilterOffset | None) -> tuple[float, float]:
    """Return by how many columns and rows the filter in use shifts the image; 0 if not listed."""
    for row in () if reference is None else reference.filters:
        if all(
            row.get(name) in (None, "N/A", meta.get(f"instrument.{name}"))
            for name in ("filter", "pupil")
        ):
            return float(row["column_offset"]), float(row["row_offset"])
    return 0.0, 0.0
