"""Where light falls in each of NIRSpec's modes of spectroscopy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid
from calcore.hooks import AskedReferences
from calcore.model import Meta
from calcore_nirspec.optical_references import (
    Camera,
    Collimator,
    DisperserFile,
    Fpa,
    IfuPost,
    IfuSlicer,
    Msa,
    MsaConfiguration,
    MsaOperation,
    WavelengthRange,
    light_of,
    readings_of,
)
from calcore_nirspec.wcs.apertures import (
    FIXED_SLITS,
    SLIT_QUADRANT,
    Aperture,
    fixed_slits,
    slices,
    slitlet,
)
from calcore_nirspec.wcs.disperser import disperser_of
from calcore_nirspec.wcs.lit import bands, boxes
from calcore_nirspec.wcs.spectrograph import Spectrograph

# Rows of the full frame, from 0, on which the fixed slits' spectra fall (JWST documentation of the
# step clean_flicker_noise): they are open in the other modes, too.
_FIXED_ROWS = slice(922, 1116)
_REACH = 0.55
"""Slits and slices shine so far from their middle, in lengths."""
_MARGIN = 1.05
"""And rows of shutters so far beyond the middle of the outermost one, in heights of a shutter."""
_HALF = 0.5
"""What a shutter that failed open shows of itself."""
_PITCH = 1.15
"""From one shutter to the next, in heights."""
_SLICES = 30
_SHOW_ALL = frozenset({"FULL", "ALLSLITS"})
"""Sub-arrays that show all fixed slits."""
_BRIGHT = "S1600A1"
"""The slit of sub-arrays that are not named after one."""
_SLITLET = "slitlet_id", "shutter_quadrant", "shutter_row"
_COLUMNS = "msa_metadata_id", "dither_point_index", *_SLITLET, "shutter_column"


def lit_pixels(meta: Meta, references: AskedReferences) -> NDArray[np.bool_]:
    """Return the pixels of the full frame that spectra fall on: bool (2048, 2048).

    Fixed slits and slitlets have boxes, slices bands that follow them; what the documentation of
    the step clean_flicker_noise leaves out, with the margins that jwst 3.0.0 was seen to have.

    Raises
    ------
    ReferenceMissing, ReferenceInvalid
        The geometry is not known.
    KeywordMissing, KeywordInvalid
        The header does not say which shutters are open.
    """
    light, grating = light_of(meta), str(meta["instrument.grating"])
    low, high, order = references(WavelengthRange).of(light, grating)
    spectrograph = Spectrograph(
        detector=meta.detector,
        fpa=references(Fpa).model(meta.detector),
        camera=references(Camera).model,
        collimator=references(Collimator).model,
        disperser=disperser_of(references(DisperserFile).tree, readings_of(meta)),
        order=order,
    )
    limits = low, high
    kind = meta.exposure_type
    if kind == "NRS_IFU":
        slicer, post = references(IfuSlicer), references(IfuPost)
        ways = [post.slice(number) for number in range(_SLICES)]
        images = slices(slicer.data, slicer.model, ways, _REACH)
        lit = bands(spectrograph, images, limits)
    elif kind == "NRS_MSASPEC":
        lit = boxes(spectrograph, _slitlets(meta, references), limits)
    else:
        slits = fixed_slits(references(Msa).quadrant(SLIT_QUADRANT), _REACH)
        return boxes(spectrograph, _shown(meta.subarray, slits), limits)
    lit[_FIXED_ROWS] = True
    if (failed := references.if_any(MsaOperation)) is not None:
        stuck = failed.stuck_open()
        msa = references(Msa)
        lit |= bands(
            spectrograph,
            [slitlet(0, row, [column], msa.quadrant(q), _HALF, _PITCH) for q, row, column in stuck],
            limits,
        )
    return lit


def _shown(subarray: str, slits: list[Aperture]) -> list[Aperture]:
    """Return the slits that a sub-array is for."""
    if subarray in _SHOW_ALL:
        return slits
    named = subarray.removeprefix("SUB")
    only = named if named in FIXED_SLITS else _BRIGHT
    return [slit for slit in slits if slit.name == only]


def _slitlets(meta: Meta, references: AskedReferences) -> list[Aperture]:
    """Return the slitlets that are open in an exposure."""
    configuration = references(MsaConfiguration, named="instrument.msa_metadata_file")
    number = meta.whole("instrument.msa_metadata_id")
    point = meta.whole("dither.position_number", 1)
    table: Any = configuration.table
    if missing := {*_COLUMNS} - {*(table.dtype.names or ())}:
        raise ReferenceInvalid(
            f"the table of shutters has no column {', '.join(sorted(missing))}; give the MSA's "
            "metadata file with --ref msametfl=FILE"
        )
    here = (table["msa_metadata_id"] == number) & (table["dither_point_index"] == point)
    rows = table[here & (table["shutter_quadrant"] > 0)]
    if not len(rows):
        raise ReferenceInvalid(
            f"the table of shutters has none for MSAMETID {number} and PATT_NUM {point}; give the "
            "exposure's own with --ref msametfl=FILE"
        )
    slitlets: dict[tuple[int, ...], list[int]] = {}
    for row in rows:
        key = tuple(int(row[name]) for name in _SLITLET)
        slitlets.setdefault(key, []).append(int(row["shutter_column"]))
    msa = references(Msa)
    return [
        slitlet(name, across, columns, msa.quadrant(quadrant), _MARGIN, _PITCH)
        for (name, quadrant, across), columns in sorted(slitlets.items())
    ]
