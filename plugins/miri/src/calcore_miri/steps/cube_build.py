"""Combine exposures of the image slicers to cubes."""

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from calcore.errors import BadParameter, DataUnusable, Doubtful
from calcore.model import Group, Image, Meta, Parts
from calcore.model.cube import Cube
from calcore.model.cubing import Piece, coordinates_of
from calcore.model.reference import UserOffsets
from calcore.parameters import Doc
from calcore.step import ALONE, Room
from calcore.steps._cube_offsets import moved
from calcore.steps.cubing import CubingStep
from calcore_miri.references import CubeParameters
from calcore_miri.steps._cube_bands import band_of, place_of, told_of
from calcore_miri.steps._cube_sampling import Band, reached, sampling


@dataclass(frozen=True, kw_only=True)
class CubeBuild(CubingStep):
    """Build a cube of each band of each channel, or of each channel."""

    required = frozenset({"cubepar"})

    channel: Annotated[
        Literal["all", "1", "2", "3", "4"], Doc("Which channel is worth a cube.")
    ] = "all"
    band: Annotated[
        Literal["all", "short", "medium", "long", "short-medium", "short-long", "medium-short",
                "medium-long", "long-short", "long-medium"],
        Doc("Which band is worth a cube."),
    ] = "all"  # fmt: skip
    output_type: Annotated[
        Literal["band", "channel", "multi"],
        Doc("A cube of each band, of all bands of a channel, or of all that there is."),
    ] = "band"
    linear_wave: Annotated[
        bool,
        Doc(
            "Planes of one thickness, but in cubes of all that there is; if false, by table in all."
        ),
    ] = True

    def parts(self, metas: Sequence[Meta]) -> tuple[str, ...]:
        """Return the names of the cubes that come of exposures."""
        bands = (
            (int(channel), band_of(meta))
            for meta in metas
            for channel in str(meta.get("instrument.channel", ""))
        )
        return tuple(self._cubes({band for band in bands if self._is_wanted(band)}))

    def apply(
        self, group: Group[Image], *, cubepar: CubeParameters,
        useroffsets: UserOffsets | None = None, room: Room = ALONE,
    ) -> Parts[Cube]:  # fmt: skip
        """Return the cubes, by names such as ``ch1-short``.

        Raises
        ------
        BadParameter
            No exposure is of the channel, the band or the wavelengths asked for, or a cube is too
            large.
        ReferenceInvalid
            The reference has no row for a band, or the user's offsets none for an exposure.
        CalcoreError
            An exposure has no world coordinates of an image slicer.
        KeywordInvalid
            BAND is no band.
        DataUnusable
            No pixel falls into any cube.
        """
        found: dict[Band, list[Piece]] = {}
        for image in group.members:
            coordinates = moved(coordinates_of(image), image, useroffsets)
            for field in coordinates.fields:
                band = field.number, band_of(image.meta)
                if self._is_wanted(band):
                    found.setdefault(band, []).append(Piece(image, coordinates, field))
        if not found:
            there = sorted(
                {f"{m.meta.get('instrument.channel')} {band_of(m.meta)}" for m in group.members}
            )
            raise BadParameter(
                f"no exposure is of cube_build.channel {self.channel} and band {self.band}: they are of "
                f"{', '.join(there)}; choose among these"
            )
        made, empty = {}, []
        by_table = self.output_type == "multi" or not self.linear_wave
        every = {
            name: (bands, sampling(cubepar, bands, self.weighting, by_table))
            for name, bands in self._cubes(found).items()
        }
        for name, (bands, sampled) in reached(every, self.wavemin, self.wavemax).items():
            cube = self.cube([found[band] for band in bands], sampled, room)
            made[name] = cube.replace(meta=cube.meta.set(told_of(bands)))
            if not np.any(cube.wmap):
                empty.append(name or "all bands")
        self._check_filled(empty, len(made))
        return Parts(made)

    def _check_filled(self, empty: Sequence[str], number: int) -> None:
        """Say which cubes have no light at all, and stop where none has."""
        if not empty:
            return
        ends = f", wavemin {self.wavemin} and wavemax {self.wavemax} um"
        asked = "" if self.wavemin is None and self.wavemax is None else ends
        said = (
            f"no usable pixel falls into the cube of {' or '.join(empty)}: all are NaN or flagged "
            f"DO_NOT_USE, or have other wavelengths than the reference cubepar{asked}"
        )
        if len(empty) == number:
            raise DataUnusable(f"{said}; look at the exposures, or choose other wavelengths")
        warnings.warn(said, Doubtful, stacklevel=3)

    def _is_wanted(self, band: Band) -> bool:
        number, name = band
        return self.channel in {"all", str(number)} and self.band in {"all", name}

    def _cubes(self, bands: Collection[Band]) -> dict[str, list[Band]]:
        """Return which bands go into which cube."""
        ordered = sorted(bands, key=place_of)
        if self.output_type == "multi":
            return {"": ordered}
        if self.output_type == "band":
            return {f"ch{number}-{name}": [(number, name)] for number, name in ordered}
        channels: dict[int, list[Band]] = {}
        for band in ordered:
            channels.setdefault(band[0], []).append(band)
        return {
            f"ch{number}-{''.join(name for _, name in own)}": own
            for number, own in channels.items()
        }
