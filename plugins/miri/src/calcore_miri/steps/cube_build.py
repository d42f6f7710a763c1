"""Combine exposures of the image slicers to cubes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from calcore.errors import BadParameter, ReferenceInvalid
from calcore.model import Group, Image, Parts
from calcore.model.cube import Cube
from calcore.model.cubing import Piece, coordinates_of
from calcore.parameters import Doc
from calcore.step import ALONE, Room
from calcore.steps.cubing import CubingStep, Sampling
from calcore_miri.references import CubeParameters

Band = tuple[int, str]
_TABLES = {"msm": "powers", "emsm": "exponentials"}


@dataclass(frozen=True, kw_only=True)
class CubeBuild(CubingStep):
    """Build a cube of each band of each channel, or of each channel."""

    channel: Annotated[
        Literal["all", "1", "2", "3", "4"], Doc("Which channel is worth a cube.")
    ] = "all"
    band: Annotated[
        Literal["all", "short", "medium", "long", "short-medium", "short-long", "medium-short",
                "medium-long", "long-short", "long-medium"],
        Doc("Which band is worth a cube."),
    ] = "all"  # fmt: skip
    output_type: Annotated[
        Literal["band", "channel"], Doc("A cube of each band, or of all bands of a channel.")
    ] = "band"

    def apply(
        self, group: Group[Image], *, cubepar: CubeParameters, room: Room = ALONE
    ) -> Parts[Cube]:
        """Return the cubes, by names such as ``ch1-short``.

        Raises
        ------
        BadParameter
            No exposure is of the channel and band asked for.
        ReferenceInvalid
            The reference has no row for a band.
        CalcoreError
            An exposure has no world coordinates of an image slicer.
        """
        found: dict[Band, list[Piece]] = {}
        for image in group.members:
            coordinates = coordinates_of(image)
            band = str(image.meta["instrument.band"]).lower()
            for field in coordinates.fields:
                if self.channel in {"all", str(field.number)} and self.band in {"all", band}:
                    piece = Piece(image, coordinates, field)
                    found.setdefault((field.number, band), []).append(piece)
        if not found:
            raise BadParameter(
                f"no exposure is of cube_build.channel {self.channel} and band {self.band}"
            )
        cubes: dict[str, list[Band]] = {}
        for number, band in sorted(found, key=_order):
            single = self.output_type == "band"
            cubes.setdefault(f"ch{number}-{band}" if single else f"ch{number}", []).append(
                (number, band)
            )
        made = {}
        for name, bands in cubes.items():
            pieces = [piece for band in bands for piece in found[band]]
            word = name if "-" in name else f"{name}-{''.join(band for _, band in bands)}"
            made[word] = self.cube(pieces, _sampling(cubepar, bands, self.weighting), room)
        return Parts(made)


def _order(band: Band) -> tuple[int, int]:
    number, name = band
    return number, ("short", "medium", "long").index(name.partition("-")[0])


def _sampling(reference: CubeParameters, bands: Sequence[Band], weighting: str) -> Sampling:
    """Return the finest sampling of several bands, over all their wavelengths."""
    sizes = [_row(reference, "sizes", band) for band in bands]
    more: dict[str, float] = {}
    if weighting in _TABLES:
        rows = [_row(reference, _TABLES[weighting], band) for band in bands]
        scale = "power" if weighting == "msm" else "scalerad"
        more = {
            "angle_arcsec": min(row["roispatial"] for row in rows),
            "depth_um": min(row["roispectral"] for row in rows),
            "scale": min(row[scale] for row in rows),
            "softening": min(row.get("softrad", 0.0) for row in rows),
        }
    return Sampling(
        spaxel_arcsec=min(row["spaxelsize"] for row in sizes),
        step_um=min(row["spectralstep"] for row in sizes),
        wavelengths_um=(min(row["wavemin"] for row in sizes), max(row["wavemax"] for row in sizes)),
        **more,
    )


def _row(reference: CubeParameters, table: str, band: Band) -> Mapping[str, float]:
    rows: Any = getattr(reference, table)
    number, name = band
    for row in () if rows is None else rows:
        if str(row["channel"]).strip() == str(number) and str(row["band"]).strip().lower() == name:
            told = (column for column in rows.dtype.names if column not in {"channel", "band"})
            return {column: float(np.float64(row[column])) for column in told}
    raise ReferenceInvalid(
        f"reference cubepar: its table of {table} has no row for channel {number}, band {name}; "
        "give another file"
    )
