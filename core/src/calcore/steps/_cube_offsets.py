"""Offsets of exposures on the sky that a user knows of."""

from dataclasses import replace

import numpy as np

from calcore.errors import ReferenceInvalid
from calcore.model.exposure import Image
from calcore.model.reference import UserOffsets
from calcore.wcs.slicer import SlicedCoordinates


def moved(
    coordinates: SlicedCoordinates, image: Image, offsets: UserOffsets | None
) -> SlicedCoordinates:
    """Return an exposure's coordinates, moved east and north by what the user says of its file.

    Raises
    ------
    ReferenceInvalid
        Lists are of different lengths, offsets are no numbers of arcsec, or the file is not named.
    """
    if offsets is None:
        return coordinates
    lists = [np.ravel(one).tolist() for one in (offsets.files, offsets.east, offsets.north)]
    if len({len(one) for one in lists}) > 1:
        raise ReferenceInvalid(
            f"offset_file has {len(lists[0])} names under filename, {len(lists[1])} numbers under "
            f"raoffset and {len(lists[2])} under decoffset; give one of each for every exposure"
        )
    if offsets.units != "arcsec":
        raise ReferenceInvalid(
            f"offset_file is in units {offsets.units!r}; give offsets in 'arcsec'"
        )
    name = image.meta.get("filename")
    if name not in lists[0]:
        raise ReferenceInvalid(
            f"offset_file names {', '.join(map(str, lists[0]))} under filename, but not {name}; add it"
        )
    east, north = (one[lists[0].index(name)] for one in lists[1:])
    if not all(isinstance(one, int | float) and np.isfinite(one) for one in (east, north)):
        raise ReferenceInvalid(f"offset_file moves {name} by {east!r} and {north!r}; give numbers")
    pointing = coordinates.pointing
    shrink = np.cos(np.radians(pointing.dec_deg))
    pointing = replace(
        pointing,
        ra_deg=float(pointing.ra_deg + east / 3600 / shrink),
        dec_deg=pointing.dec_deg + north / 3600,
    )
    return replace(coordinates, pointing=pointing, told=None)
