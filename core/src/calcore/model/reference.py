"""Reference files as records: what steps need of each type.

A plane may be a lazy section of its file until `Record.cut` reads it; what steps are given is
always cut to the rows and columns they work on, in the science exposure's sub-array.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from calcore.model.exposure import Flags, Float, Table
from calcore.model.layout import Array, Node, Plane, TableExtension
from calcore.model.record import Record


@dataclass(frozen=True, eq=False, kw_only=True)
class Reference(Record):
    """Base of all references.

    `type` is the name CRDS knows it by, or would: types with `in_crds` False are calcore's or a
    plugin's own, which come from a plugin or from the user and are N/A otherwise.
    """

    type: ClassVar[str]
    in_crds: ClassVar[bool] = True


@dataclass(frozen=True, eq=False, kw_only=True)
class Mask(Reference):
    """Flags of bad pixels: `dq` (ny, nx)."""

    type: ClassVar[str] = "mask"
    dq: Annotated[Flags, Plane("DQ", "u4", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class AdcNonlinearity(Reference):
    """What a converter adds to its numbers: `table` with columns counts and deviation [DN]."""

    type: ClassVar[str] = "adcinl"
    in_crds: ClassVar[bool] = False
    table: Annotated[Table, TableExtension("ADCINL", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Saturation(Reference):
    """Saturation threshold: `data` (ny, nx) [DN], raw counts; `dq` (ny, nx)."""

    type: ClassVar[str] = "saturation"
    data: Annotated[Float, Plane("SCI", "f4", required=True)]
    dq: Annotated[Flags, Plane("DQ", "u4", fill=0)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Superbias(Reference):
    """Bias of the first read after a reset: `data` (ny, nx) [DN]; `dq` (ny, nx)."""

    type: ClassVar[str] = "superbias"
    data: Annotated[Float, Plane("SCI", "f4", required=True)]
    dq: Annotated[Flags, Plane("DQ", "u4", fill=0)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Ipc(Reference):
    """Inter-pixel capacitance kernel: `data` (ky, kx)."""

    type: ClassVar[str] = "ipc"
    data: Annotated[Float, Array("SCI", "f4")]


@dataclass(frozen=True, eq=False, kw_only=True)
class Linearity(Reference):
    """Polynomial that makes a ramp linear: `coefficients` (n_coefficient, ny, nx), c0 first."""

    type: ClassVar[str] = "linearity"
    coefficients: Annotated[Float, Plane("COEFFS", "f4", ("coefficient", "y", "x"), required=True)]
    dq: Annotated[Flags, Plane("DQ", "u4", fill=0)]
    inverse: (
        Annotated[Float, Plane("INV_COEFFS", "f4", ("inverse_coefficient", "y", "x"))] | None
    ) = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Dark(Reference):
    """Dark signal: `data` ([n_int,] n_group, ny, nx) [DN]; `dq` (ny, nx).

    `average_dark_current` (ny, nx) [electron/s] enters the photon variance.
    """

    type: ClassVar[str] = "dark"
    data: Annotated[Float, Plane("SCI", "f4", ("n_group", "y", "x"), required=True)]
    dq: Annotated[Flags, Plane("DQ", "u4", fill=0)]
    average_dark_current: Annotated[Float, Plane("AVDRKCUR", "f4")] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Reset(Reference):
    """Signal left by the reset: `data` (n_int, n_group, ny, nx) [DN]; `dq` (ny, nx)."""

    type: ClassVar[str] = "reset"
    data: Annotated[Float, Plane("SCI", "f4", ("n_int", "n_group", "y", "x"), required=True)]
    dq: Annotated[Flags, Plane("DQ", "u4", fill=0)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Gain(Reference):
    """Gain: `data` (ny, nx) [electron/DN]."""

    type: ClassVar[str] = "gain"
    data: Annotated[Float, Plane("SCI", "f4", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class ReadNoise(Reference):
    """Noise of the difference of two reads: `data` (ny, nx) [DN]."""

    type: ClassVar[str] = "readnoise"
    data: Annotated[Float, Plane("SCI", "f4", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Rscd(Reference):
    """Groups to skip after a reset: `table` with columns subarray, readpatt, group_skip1, group_skip."""

    type: ClassVar[str] = "rscd"
    table: Annotated[Table, TableExtension("RSCD_GROUP_SKIP", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Emi(Reference):
    """Electromagnetic interference: the file's ``frequencies`` and ``subarray_cases`` trees."""

    type: ClassVar[str] = "emicorr"
    frequencies: Annotated[Any, Node("frequencies", required=True)]
    subarray_cases: Annotated[Any, Node("subarray_cases", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class SirsKernel(Reference):
    """Weights of side reference pixels by frequency: the file's whole tree.

    A mapping from a detector's name in lower case to ``gamma`` and ``zeta``, complex
    (n_amplifier, n_frequency), for the start and the end of lines.
    """

    type: ClassVar[str] = "sirskernel"
    weights: Annotated[Any, Node("", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Flat(Reference):
    """Flat field: `data`, `err` (ny, nx), relative response; `dq` (ny, nx)."""

    type: ClassVar[str] = "flat"
    data: Annotated[Float, Plane("SCI", "f4", required=True)]
    err: Annotated[Float, Plane("ERR", "f4", fill=0)]
    dq: Annotated[Flags, Plane("DQ", "u4", fill=0)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Photom(Reference):
    """Flux calibration: `table` with a row for each optical element; time coefficients if any."""

    type: ClassVar[str] = "photom"
    table: Annotated[Table, TableExtension("PHOTOM", required=True)]
    linear_in_time: Annotated[Table, TableExtension("TIMECOEFF_LINEAR")] | None = None
    exponential_in_time: Annotated[Table, TableExtension("TIMECOEFF_EXPONENTIAL")] | None = None
    power_law_in_time: Annotated[Table, TableExtension("TIMECOEFF_POWERLAW")] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Area(Reference):
    """Pixel area relative to nominal: `data` (ny, nx); the nominal area stands in `meta`."""

    type: ClassVar[str] = "area"
    data: Annotated[Float, Plane("SCI", "f4", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Distortion(Reference):
    """Transform from detector pixels to telescope angles V2, V3 [arcsec]."""

    type: ClassVar[str] = "distortion"
    model: Annotated[Any, Node("model", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class FilterOffset(Reference):
    """Shift of the image by each filter: list of filter, pupil, column_offset, row_offset [pixel]."""

    type: ClassVar[str] = "filteroffset"
    filters: Annotated[Any, Node("filters", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class ApertureCorrection(Reference):
    """Encircled energy: `table` with filter, pupil, eefraction, radius, apcorr, skyin, skyout."""

    type: ClassVar[str] = "apcorr"
    table: Annotated[Table, TableExtension("APCORR", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class CubeApertures(Reference):
    """Circles to extract spectra of cubes from: `vectors` by wavelength.

    wavelength [um], radius, inner_bkg and outer_bkg [arcsec]. `method` says which spaxels count
    (exact, center, or subpixel with so many `subpixels` in each direction), `subtract_background`
    whether what is in the ring is subtracted.
    """

    type: ClassVar[str] = "extract1d"
    vectors: Annotated[Any, Node("data", required=True)]
    method: Annotated[Any, Node("meta.method")] = None
    subpixels: Annotated[Any, Node("meta.subpixels")] = None
    subtract_background: Annotated[Any, Node("meta.subtract_background")] = None


@dataclass(frozen=True, eq=False, kw_only=True)
class CubeApertureCorrection(Reference):
    """What circles on cubes miss: wavelength [um], and radius [arcsec] and apcorr by (radius, wavelength)."""

    type: ClassVar[str] = "apcorr"
    table: Annotated[Any, Node("apcorr_table", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class SlitApertures(Reference):
    """Where to extract spectra of slits: a mapping for each slit, by its ``id``."""

    type: ClassVar[str] = "extract1d"
    apertures: Annotated[Any, Node("apertures", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class SlitProfile(Reference):
    """Light along a slit: `data` (n_wavelength, n_subpixel) at `wavelengths` (n_wavelength,) [um].

    Where the source lies, and how many sub-pixels make a pixel, stands in `meta` (``psf.…``).
    """

    type: ClassVar[str] = "psf"
    data: Annotated[Any, Array("PSF", "f8")]
    wavelengths: Annotated[Any, Array("WAVE", "f8")]


@dataclass(frozen=True, eq=False, kw_only=True)
class AbVegaOffset(Reference):
    """AB minus Vega magnitude for each filter and pupil."""

    type: ClassVar[str] = "abvegaoffset"
    table: Annotated[Any, Node("abvega_offset", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class PictureFrame(Reference):
    """Glow of a detector's edges: `data` (ny, nx) [DN/s], to be scaled and offset."""

    type: ClassVar[str] = "pictureframe"
    data: Annotated[Float, Plane("SCI", "f4", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class SpectralTraces(Reference):
    """Where spectra of a source without a slit fall, one trace for each order.

    `traces` has ``trace`` (n, 2), x and y, and ``pivot_x`` and ``pivot_y``, about which it turns as
    the wheel that holds the disperser rests apart from `commanded` [degree]. Rows count from
    `first_row` of the full frame. All from 0 [pixel].
    """

    type: ClassVar[str] = "pastasoss"
    traces: Annotated[Any, Node("traces", required=True)]
    commanded: Annotated[Any, Node("meta.pwcpos_cmd", required=True)]
    first_row: Annotated[Any, Node("meta.subarray_ymin", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class UserMask(Reference):
    """Background as a user sees it: `data` ([n_int,] ny, nx), not 0 where a pixel shows no source.

    Nobody is asked for it; it is there if the user gives a file.
    """

    type: ClassVar[str] = "usermask"
    in_crds: ClassVar[bool] = False
    data: Annotated[Float, Plane("SCI", "f4", required=True, stacked=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class UserFlags(Reference):
    """Flags of pixels that a user knows of: `dq` (ny, nx)."""

    type: ClassVar[str] = "userdq"
    in_crds: ClassVar[bool] = False
    dq: Annotated[Flags, Plane("DQ", "u4", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class UserBackground(Reference):
    """Spectrum of the background as a user knows it: tables of an ``x1d`` or a ``c1d`` file.

    Nobody is asked for it; it is there if the user gives a file.
    """

    type: ClassVar[str] = "userbackground"
    in_crds: ClassVar[bool] = False
    extracted: Annotated[Table, TableExtension("EXTRACT1D")] | None = None
    combined: Annotated[Table, TableExtension("COMBINE1D")] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class UserOffsets(Reference):
    """How far exposures look from where they say, east and north on the sky, as a user knows it.

    `files`, `east` and `north` are lists of one length, offsets in `units` (ASDF).
    """

    type: ClassVar[str] = "useroffsets"
    in_crds: ClassVar[bool] = False
    files: Annotated[Any, Node("filename", required=True)]
    east: Annotated[Any, Node("raoffset", required=True)]
    north: Annotated[Any, Node("decoffset", required=True)]
    units: Annotated[Any, Node("units", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class SceneMask(Reference):
    """Where plugins expect light (`calcore.hooks.calcore_mask`): `data` (ny, nx), not 0 there."""

    type: ClassVar[str] = "scenemask"
    in_crds: ClassVar[bool] = False
    data: Annotated[Float, Plane("SCI", "f4", required=True)]


def reference_types() -> dict[str, type[Reference]]:
    """Return the references that imported modules define, by type."""
    found: dict[str, type[Reference]] = {}
    waiting = Reference.__subclasses__()
    while waiting:
        kind = waiting.pop()
        found[kind.type] = kind
        waiting += kind.__subclasses__()
    return found
