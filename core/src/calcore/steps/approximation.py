"""Parameters of all steps that write world coordinates into the header."""

from dataclasses import dataclass
from typing import Annotated, Any

from calcore.model import Meta
from calcore.parameters import Doc, Range, Unit
from calcore.step import Step
from calcore.wcs.footprint import region
from calcore.wcs.sip import replaced, sip_keywords


@dataclass(frozen=True, kw_only=True)
class ApproximatingStep(Step):
    """Base of steps that write the footprint S_REGION and a tangent projection with SIP polynomials."""

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

    def with_coordinates(self, meta: Meta, wcs: Any) -> Meta:
        """Return metadata that agree with world coordinates; CRPIX stays where there is one."""
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
        return meta.set(changes)
