"""Parameters of all steps that build cubes, and what they do with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from calcore.errors import BadParameter
from calcore.kernels.cube_shepard import Nearness
from calcore.model.cube import Cube
from calcore.model.cubing import Piece, cube_of, fill
from calcore.parameters import Doc, Range, Unit
from calcore.step import Room, Step
from calcore.wcs.cube_grid import cube_grid

_FEW = 4
"""From so many exposures on, msm counts pixels no further than its table says."""
_FURTHER = 1.5


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How finely a cube samples, and how near pixels count in it, unless parameters say otherwise.

    Attributes
    ----------
    spaxel_arcsec, step_um : float
        Size of a spaxel [arcsec] and of a plane [um].
    wavelengths_um : tuple of float
        Where it begins and ends [um].
    angle_arcsec, depth_um : float
        How far pixels count, for weights by distance.
    scale : float
        Radius [arcsec] of the exponential form, or power.
    softening : float
        See `Nearness`.
    """

    spaxel_arcsec: float
    step_um: float
    wavelengths_um: tuple[float, float]
    angle_arcsec: float = 0.0
    depth_um: float = 0.0
    scale: float = 0.0
    softening: float = 0.0


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
        float | None, Unit("deg"), Doc("Position angle of the y axis; None: by coord_system.")
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
    wavemin: Annotated[float | None, Unit("um"), Doc("Where cubes begin; None: by table.")] = None
    wavemax: Annotated[float | None, Unit("um"), Doc("Where cubes end; None: by table.")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if None not in (self.wavemin, self.wavemax) and self.wavemin >= self.wavemax:  # type: ignore[operator]
            raise BadParameter(
                f"cube_build.wavemin is {self.wavemin}, not less than wavemax, {self.wavemax} [um]"
            )

    def cube(self, pieces: Sequence[Piece], sampling: Sampling, room: Room) -> Cube:
        """Return one cube of what fields of exposures contribute."""
        spaxel = self.scalexy or sampling.spaxel_arcsec
        step = self.scalew or sampling.step_um
        shortest, longest = sampling.wavelengths_um
        angle = self.cube_pa
        if angle is None:
            first = pieces[0]
            aligned = self.coord_system == "ifualign"
            angle = first.coordinates.angle_across(first.field) if aligned else 0.0
        grid = cube_grid(
            [piece.positions() for piece in pieces],
            (
                shortest if self.wavemin is None else self.wavemin,
                longest if self.wavemax is None else self.wavemax,
            ),
            spaxel_arcsec=spaxel,
            step_um=step,
            centre=(self.ra_center, self.dec_center),
            angle_deg=angle,
            size=(self.nspax_x, self.nspax_y),
        )
        nearness = self._nearness(sampling, spaxel, step, len(pieces))
        return cube_of(pieces, grid, fill(pieces, grid, nearness, room.each, room.threads))

    def _nearness(
        self, sampling: Sampling, spaxel: float, step: float, pieces: int
    ) -> Nearness | None:
        if self.weighting == "drizzle":
            return None
        depth = (self.roiw or sampling.depth_um) / step
        if self.weighting == "emsm":
            reach = self.rois or sampling.angle_arcsec
            return Nearness("emsm", sampling.scale / spaxel, reach / spaxel, depth)
        further = _FURTHER if pieces < _FEW else 1.0
        reach = self.rois or further * sampling.angle_arcsec
        power = self.weight_power or sampling.scale
        return Nearness("msm", power, reach / spaxel, depth, sampling.softening)
