"""Parameters of all steps that build cubes, and what they do with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter
from calcore.kernels.cube_shepard import Nearness
from calcore.model.cube import Cube
from calcore.model.cubing import Piece, check_size, cube_of, fill
from calcore.parameters import Doc, Range, Unit
from calcore.step import Room, Step
from calcore.steps.sampling import Each, Sampling
from calcore.wcs.cube_grid import cube_grid
from calcore.wcs.cube_planes import Spacing, TabledPlanes, even

_FEW = 4
"""From so many exposures on, msm counts pixels no further than its table says."""
_FURTHER = 1.5


@dataclass(frozen=True, kw_only=True)
class CubingStep(Step):
    """Base of steps that combine exposures of an integral-field unit to cubes.

    Pixels are drizzled, each a box on the sky and in wavelength (Law et al. 2023, AJ 166, 45), or
    weighted by their distance to each voxel.
    """

    cites = ("Law et al. 2023, AJ 166, 45",)
    weighting: Annotated[
        Literal["drizzle", "emsm", "msm"],
        Doc("Drizzle, or weigh by distance: exponentially, or by a negative power."),
    ] = "drizzle"
    scalexy: Annotated[float, Range(0), Unit("arcsec"), Doc("Size of a spaxel; 0: by table.")] = 0.0
    scalew: Annotated[float, Range(0), Unit("um"), Doc("Size of a plane; 0: by table.")] = 0.0
    coord_system: Annotated[
        Literal["skyalign", "world", "ifualign"], Doc("North up, or slices along rows.")
    ] = "skyalign"
    ra_center: Annotated[
        float | None, Range(0, 360), Unit("deg"), Doc("Middle of the cube; None: of all pixels.")
    ] = None
    dec_center: Annotated[float | None, Range(-90, 90), Unit("deg"), Doc("The same.")] = None
    cube_pa: Annotated[
        float | None,
        Range(-360, 360),
        Unit("deg"),
        Doc("Position angle of the y axis; None: by coord_system."),
    ] = None
    nspax_x: Annotated[int | None, Range(1), Doc("Columns, made odd; None: as needed.")] = None
    nspax_y: Annotated[int | None, Range(1), Doc("Rows, made odd; None: as needed.")] = None
    rois: Annotated[
        float, Range(0), Unit("arcsec"), Doc("How far pixels count on the sky; 0: by table.")
    ] = 0.0
    roiw: Annotated[
        float, Range(0), Unit("um"), Doc("How far pixels count in wavelength; 0: by table.")
    ] = 0.0
    weight_power: Annotated[float, Range(0), Doc("Power of msm; 0: by table.")] = 2.0
    wavemin: Annotated[
        float | None, Range(0, 1e3), Unit("um"), Doc("Where cubes begin; None: by table.")
    ] = None
    wavemax: Annotated[
        float | None, Range(0, 1e3), Unit("um"), Doc("Where cubes end; None: by table.")
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if None not in (self.wavemin, self.wavemax) and self.wavemin >= self.wavemax:  # type: ignore[operator]
            raise BadParameter(
                f"cube_build.wavemin is {self.wavemin}, not less than wavemax, {self.wavemax} [um]"
            )

    def cube(self, bands: Sequence[Sequence[Piece]], sampling: Sampling, room: Room) -> Cube:
        """Return one cube of what fields of exposures contribute, band by band."""
        pieces = [piece for band in bands for piece in band]
        sampling = sampling.within(self.wavemin, self.wavemax)
        spaxel = self.scalexy or sampling.spaxel_arcsec
        spacing = self._spacing(sampling)
        angle = self.cube_pa
        if angle is None:
            first = pieces[0]
            aligned = self.coord_system == "ifualign"
            angle = first.coordinates.angle_across(first.field) if aligned else 0.0
        grid = cube_grid(
            list(room.ahead(Piece.positions, pieces)),
            spacing,
            spaxel_arcsec=spaxel,
            centre=(self.ra_center, self.dec_center),
            angle_deg=angle,
            size=(self.nspax_x, self.nspax_y),
        )
        check_size(grid)
        nearness = self._nearness(sampling, spaxel, len(pieces))
        cube = cube_of(pieces, grid, fill(bands, grid, nearness, room))
        cube = cube.replace(meta=cube.meta.set(self._told(nearness, spaxel)))
        return cube.with_planes(room.kept)  # of which there may be many

    def _told(self, nearness: Nearness | None, spaxel: float) -> dict[str, Any]:
        """Return what a cube's metadata say of its planes, and of how pixels were weighted.

        Regions of interest are left out where a table has another one for each plane.
        """
        told: dict[str, Any] = {
            "flux_extension": "SCI", "error_extension": "ERR", "error_type": "ERR",
            "dq_extension": "DQ", "weighting": self.weighting,
            "roi_spatial": 0.0, "roi_wave": 0.0, "weight_power": 0.0,
        }  # fmt: skip
        if nearness is not None:
            one = nearness.wavelength.size == 1
            told["weight_power"] = self.weight_power
            told["roi_spatial"] = float(nearness.angle[0]) * spaxel if one else None
            told["roi_wave"] = float(nearness.depth[0]) if one else None
        return {f"ifu.{name}": value for name, value in told.items()}

    def _spacing(self, sampling: Sampling) -> Spacing:
        if sampling.table is None:
            return even(sampling.wavelengths_um, self.scalew or sampling.step_um)
        if self.scalew:
            raise BadParameter(
                f"cube_build.scalew is {self.scalew} um, but the planes of this output_type lie where "
                "the reference's table has them; leave it out, or choose another output_type"
            )
        return TabledPlanes(table=sampling.table)

    def _nearness(self, sampling: Sampling, spaxel: float, pieces: int) -> Nearness | None:
        if self.weighting == "drizzle":
            return None
        table = np.zeros(1) if sampling.table is None else sampling.table

        def each(value: Each) -> NDArray[np.float64]:
            return np.ascontiguousarray(np.broadcast_to(np.asarray(value, np.float64), table.size))

        exponential = self.weighting == "emsm"
        as_it_is = exponential and sampling.table is None
        further = 1.0 if pieces >= _FEW or as_it_is else _FURTHER
        power = self.weight_power or sampling.scale
        return Nearness(
            self.weighting,
            table,
            each(sampling.scale / spaxel if exponential else power),
            each((self.rois or further * sampling.angle_arcsec) / spaxel),
            each(self.roiw or sampling.depth_um),
            each(sampling.softening),
        )
