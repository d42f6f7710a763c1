"""Give an image its world coordinates."""

from dataclasses import dataclass
from typing import Annotated, Any

from calcore.model import Image, Meta
from calcore.model.reference import Distortion, FilterOffset
from calcore.parameters import Doc, Range, Unit
from calcore.step import Step
from calcore.wcs.footprint import region
from calcore.wcs.imaging import imaging_wcs
from calcore.wcs.pointing import Pointing
from calcore.wcs.sip import replaced, sip_keywords


@dataclass(frozen=True, kw_only=True)
class AssignWcs(Step):
    """Attach the transform from pixels to the sky, and write its approximation into the header.

    The transform runs through the frames detector, v2v3, v2v3vacorr and world. The header gets the
    footprint S_REGION and a tangent projection with SIP polynomials, about CRPIX1 and CRPIX2 where
    the header has them. No pixel is changed.
    """

    required = frozenset({"distortion"})

    sip_approx: Annotated[bool, Doc("Write an approximation as FITS keywords.")] = True
    sip_max_pix_error: Annotated[
        float, Range(0), Unit("pixel"), Doc("Largest error wanted of the approximation.")
    ] = 0.01
    sip_degree: Annotated[
        int | None, Range(1, 6), Doc("Degree of its polynomials; None: the lowest that does.")
    ] = None
    sip_max_inv_pix_error: Annotated[
        float, Range(0), Unit("pixel"), Doc("Largest error wanted of its inverse.")
    ] = 0.01
    sip_inv_degree: Annotated[
        int | None, Range(1, 6), Doc("Degree of the inverse; None: the lowest that does.")
    ] = None
    sip_npoints: Annotated[
        int, Range(4), Doc("Points along each axis at which the approximation is fitted.")
    ] = 12

    def apply(
        self, image: Image, *, distortion: Distortion, filter_offset: FilterOffset | None = None
    ) -> Image:
        """Attach `wcs`, from pixels (x, y) counted from 0 to ICRS [deg]."""
        meta = image.meta
        wcs = imaging_wcs(
            distortion.model,
            pointing_of(meta),
            shape=(image.frame.frame_rows, image.frame.frame_columns),
            corner=meta.subarray_origin,
            offset=offset_of(meta, filter_offset),
        )
        changes: dict[str, Any] = {"wcsinfo.s_region": region(wcs)}
        if self.sip_approx:
            known = [name.removeprefix("wcsinfo.") for name in meta if name.startswith("wcsinfo.")]
            changes |= {f"wcsinfo.{name}": None for name in replaced(known)}
            pixel = meta.get("wcsinfo.crpix1"), meta.get("wcsinfo.crpix2")
            keywords = sip_keywords(
                wcs,
                max_error=self.sip_max_pix_error,
                degree=self.sip_degree,
                max_inverse_error=self.sip_max_inv_pix_error,
                inverse_degree=self.sip_inv_degree,
                points=self.sip_npoints,
                reference_pixel=None if None in pixel else (float(pixel[0]), float(pixel[1])),
            )
            changes |= {f"wcsinfo.{name}": value for name, value in keywords.items()}
        return image.replace(wcs=wcs, meta=meta.set(changes))


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
