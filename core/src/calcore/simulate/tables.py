"""Tables of the simulator: where detectors see the sky, and what filters pass.

The numbers belong to the instruments' packages and stand there as TOML, made from the telescope's
Science Instrument Aperture File (SIAF; Cox & Lallo 2017, JWST-STScI-001550). This module reads
them. The caller names the file, usually ``importlib.resources.files(package) / "tables" / name``.

Pixels of the SIAF are counted from 1; everything in calcore is counted from 0, except the
corner of a sub-array, which keeps the value of its header keywords.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from calcore.errors import FileInvalid, UnknownName

FloatArray = NDArray[np.float64]

Row = TypeVar("Row", "Detector", "Filter")
_POLYNOMIALS = ("sci_to_idl_x", "sci_to_idl_y", "idl_to_sci_x", "idl_to_sci_y")


@dataclass(frozen=True, kw_only=True)
class Subarray:
    """A part of a detector that is read out, in science orientation.

    Attributes
    ----------
    name
        Value of the keyword SUBARRAY.
    aperture
        Name of the aperture in the SIAF (keyword PPS_APER).
    xstart, ystart
        Corner in the full frame, counted from 1 (SUBSTRT1, SUBSTRT2).
    xsize, ysize
        Size [pixel] (SUBSIZE1, SUBSIZE2).
    x_ref, y_ref
        Reference pixel in the sub-array, counted from 0.
    v2_ref_arcsec, v3_ref_arcsec
        Where the reference pixel looks, in the telescope's frame [arcsec].
    v3_idl_y_angle_deg
        Angle from V3 to the aperture's Ideal y axis [deg] (V3I_YANG).
    v_idl_parity
        Sense of the Ideal x axis relative to V2, -1 or 1 (VPARITY).
    """

    name: str
    aperture: str
    xstart: int
    ystart: int
    xsize: int
    ysize: int
    x_ref: float
    y_ref: float
    v2_ref_arcsec: float
    v3_ref_arcsec: float
    v3_idl_y_angle_deg: float
    v_idl_parity: int

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of its frames, (ny, nx)."""
        return self.ysize, self.xsize

    @property
    def window(self) -> tuple[slice, slice]:
        """Where it lies in the full frame, (y, x)."""
        x, y = self.xstart - 1, self.ystart - 1
        return slice(y, y + self.ysize), slice(x, x + self.xsize)

    def ideal_to_v2v3(self, x_arcsec: float, y_arcsec: float) -> tuple[float, float]:
        """Turn an offset in the aperture's Ideal frame into one in V2 and V3 [arcsec]."""
        angle = np.radians(self.v3_idl_y_angle_deg)
        x = self.v_idl_parity * x_arcsec
        return (
            float(x * np.cos(angle) + y_arcsec * np.sin(angle)),
            float(y_arcsec * np.cos(angle) - x * np.sin(angle)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """The geometry of one detector.

    Attributes
    ----------
    name
        Value of the keyword DETECTOR.
    channel, module
        Values of CHANNEL and MODULE, or an empty word.
    fast_axis, slow_axis
        Read-out directions in science orientation: 1 for x, 2 for y, with sign.
    nx, ny
        Full frame in science orientation [pixel].
    reference_border
        Widths of the borders of reference pixels [pixel]: left, right, bottom, top.
    pixel_area_sr
        Nominal solid angle of a pixel [sr]: that at the reference pixel of the full frame.
    sci_to_idl_x, sci_to_idl_y
        Polynomials from pixel offsets to Ideal angles [arcsec], axes (power of x, power of y).
    idl_to_sci_x, idl_to_sci_y
        The SIAF's fitted way back, from Ideal angles [arcsec] to pixel offsets.
    subarrays
        By name; always with "FULL".
    """

    name: str
    channel: str
    module: str
    fast_axis: int
    slow_axis: int
    nx: int
    ny: int
    reference_border: tuple[int, int, int, int]
    pixel_area_sr: float
    sci_to_idl_x: FloatArray
    sci_to_idl_y: FloatArray
    idl_to_sci_x: FloatArray
    idl_to_sci_y: FloatArray
    subarrays: Mapping[str, Subarray]

    @property
    def full(self) -> Subarray:
        """The whole detector."""
        return self.subarrays["FULL"]

    def subarray(self, name: str) -> Subarray:
        """Return a sub-array by its name; raises `UnknownName`."""
        if name not in self.subarrays:
            raise UnknownName(f"sub-array of {self.name}", name, self.subarrays)
        return self.subarrays[name]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a filter passes.

    Attributes
    ----------
    name, pupil
        Its name, usually the value of FILTER, and the value of PUPIL; `pupil` is empty where there is no pupil wheel.
    keyword
        Value of FILTER where it is not the name, as for a filter in the pupil wheel; empty where
        there is no wheel, and headers have no FILTER.
    channel
        Channel that has it, as in `Detector.channel`.
    pivot_micron, bandwidth_micron
        Pivot wavelength and full width [micron].
    photmjsr
        Surface brightness that gives 1 DN/s in a pixel of nominal area [MJy/sr per DN/s].
    background_mjysr
        Typical sky and telescope background [MJy/sr].
    column_offset, row_offset
        Shift of the image relative to the distortion's filter [pixel]: the distortion is
        evaluated at (x + column_offset, y + row_offset).
    """

    name: str
    pupil: str
    channel: str
    pivot_micron: float
    bandwidth_micron: float
    photmjsr: float
    background_mjysr: float
    column_offset: float
    row_offset: float
    keyword: str | None = None

    @property
    def header_value(self) -> str:
        """Value of FILTER; empty where headers have none."""
        return self.name if self.keyword is None else self.keyword


def load_detectors(source: Traversable | Path) -> Mapping[str, Detector]:
    """Read an instrument's table of apertures; detectors by the keyword DETECTOR.

    Raises
    ------
    FileInvalid
        The table lacks a field, or a polynomial has an impossible number of terms.
    """
    return _read(source, "detector", _detector)


def load_filters(source: Traversable | Path) -> Mapping[str, Filter]:
    """Read an instrument's table of filters, by name; raises `FileInvalid`."""
    return _read(source, "filter", lambda row: Filter(**row))


def _read(
    source: Traversable | Path, key: str, make: Callable[[dict[str, Any]], Row]
) -> Mapping[str, Row]:
    """Read the rows of a TOML table into records, by name."""
    try:
        rows = [make(row) for row in tomllib.loads(source.read_text(encoding="utf-8"))[key]]
    except (KeyError, TypeError, ValueError) as error:
        raise FileInvalid(
            str(source), f"is not a table of {key}s: {error}; write it as the plugins do"
        ) from error
    return MappingProxyType({row.name: row for row in rows})


def _detector(row: dict[str, Any]) -> Detector:
    """Turn a row of the table of apertures into a record."""
    row = dict(row)
    subarrays = (_subarray(part) for part in row.pop("subarray"))
    polynomials: dict[str, Any] = {name: _polynomial(row.pop(name)) for name in _POLYNOMIALS}
    row["reference_border"] = tuple(row["reference_border"])
    by_name = MappingProxyType({part.name: part for part in subarrays})
    if "FULL" not in by_name:
        raise ValueError(f"{row['name']} has no sub-array FULL")
    return Detector(subarrays=by_name, **polynomials, **row)


def _subarray(row: dict[str, Any]) -> Subarray:
    """Turn a row into a record; the SIAF counts pixels from 1."""
    return Subarray(**{**row, "x_ref": row["x_ref"] - 1, "y_ref": row["y_ref"] - 1})


def _polynomial(terms: list[float]) -> FloatArray:
    """Turn the SIAF's list (00, 10, 11, 20 …; ij is x^(i-j) y^j) into a matrix of powers."""
    degree = round((np.sqrt(8 * len(terms) + 1) - 3) / 2)
    if (degree + 1) * (degree + 2) // 2 != len(terms):
        raise ValueError(f"a polynomial has {len(terms)} terms, which fits no degree")
    matrix = np.zeros((degree + 1, degree + 1))
    values = iter(terms)
    for order in range(degree + 1):
        for y_power in range(order + 1):
            matrix[order - y_power, y_power] = next(values)
    matrix.flags.writeable = False
    return matrix
