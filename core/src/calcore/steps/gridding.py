"""Parameters of steps that make a mosaic's grid."""

from dataclasses import dataclass
from typing import Annotated

from calcore.parameters import Doc, File, Range, Unit
from calcore.step import Step
from calcore.wcs.mosaic import Layout

Pair = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class GriddingStep(Step):
    """Base of steps that lay exposures on one grid."""

    output_shape: Annotated[tuple[int, int] | None, Doc("Columns and rows.")] = None
    crpix: Annotated[Pair | None, Unit("pixel"), Doc("Reference pixel x, y, from 0.")] = None
    crval: Annotated[Pair | None, Unit("deg"), Doc("Its right ascension and declination.")] = None
    rotation: Annotated[float | None, Unit("deg"), Doc("Position angle of the y axis.")] = None
    pixel_scale_ratio: Annotated[
        float, Range(1e-3, 1e3), Doc("Size of output pixels over that of input pixels.")
    ] = 1.0
    pixel_scale: Annotated[
        float | None, Range(1e-6), Unit("arcsec"), Doc("Size of output pixels.")
    ] = None
    output_wcs: Annotated[str, File(), Doc("ASDF file with the output gWCS under the key wcs.")] = (
        ""
    )

    @property
    def layout(self) -> Layout:
        """The parameters as the grid takes them."""
        return Layout(
            shape=self.output_shape, crpix=self.crpix, crval=self.crval,
            rotation_deg=self.rotation, scale_arcsec=self.pixel_scale,
            scale_ratio=self.pixel_scale_ratio,
        )  # fmt: skip
