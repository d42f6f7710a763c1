"""What the standard products are: their extensions, and what the reference pipeline calls them."""

from collections.abc import Mapping
from typing import Any

from calcore.errors import CalcoreError, FileInvalid
from calcore.io._hdu import Contents, Extension
from calcore.io._storage import Storage
from calcore.io.files import suffix_of
from calcore.model import Image, Meta, Mosaic, Ramp, Rate, Record, Segmentation
from calcore.model.cube import Cube
from calcore.model.layout import Array, Plane, Several, TableExtension, fields_of
from calcore.model.slit import RectifiedSlit, Slit
from calcore.model.spectrum import CombinedSpectra, Spectra, SpectrumSeries

KINDS: tuple[type[Record], ...] = (
    Ramp, Rate, Image, Slit, RectifiedSlit, Mosaic, Segmentation, Cube, Spectra, SpectrumSeries,
    CombinedSpectra,
)  # fmt: skip
_RATES = frozenset({"rate", "rateints"})
_RAMP_ONLY = frozenset({"REFOUT"})
_MODELS = frozenset({"ImageModel", "IFUImageModel", "SlitModel"})
_NAMED: Mapping[type[Record], str] = {
    Segmentation: "SegmentationMapModel",
    Mosaic: "ImageModel",
    Cube: "IFUCubeModel",
    Slit: "SlitModel",
    Spectra: "MultiSpecModel",
    SpectrumSeries: "TSOMultiSpecModel",
    CombinedSpectra: "MultiCombinedSpecModel",
}


def extensions_of(kind: Any) -> frozenset[str]:
    """Return the names of the extensions a record class has."""
    names = {
        item.extension
        for sort in (Plane, Array, TableExtension)
        for item in fields_of(kind, sort).values()
    }
    return frozenset(names | members_of(kind) | {"ASDF"})


def members_of(kind: Any) -> frozenset[str]:
    """Return the names of the extensions that each of several records has one of."""
    several = fields_of(kind, Several).values()
    tables = (fields_of(each.kind, TableExtension).values() for each in several)
    return frozenset(table.extension for found in tables for table in found)


STANDARD: frozenset[str] = frozenset().union(*(extensions_of(kind) for kind in KINDS))
"""Extensions that some record class has; in a file of another class they mean nothing."""


def rides_along(extension: Extension, known: frozenset[str]) -> bool:
    """Tell whether an extension of a file is unknown and kept as it is."""
    if extension.name in known:
        return extension.version != 1
    return extension.name not in STANDARD


def belongs(extension: Extension, kind: Any) -> bool:
    """Tell whether an extension that rides along belongs in a product of class `kind`."""
    if extension.name in _RAMP_ONLY:
        return issubclass(kind, Ramp)
    return extension.name not in STANDARD or extension.version != 1


def check_single(contents: Contents) -> None:
    """Check that a file holds no more than one image.

    Raises
    ------
    FileInvalid
        It holds several.
    """
    many = sum(extension.name == "SCI" for extension in contents.extensions)
    if many > 1:
        raise FileInvalid(
            contents.source.path,
            f"holds {many} extensions SCI, one for each slit or source, which this version does not "
            "read; give a file with one image",
        )


def kind_of(contents: Contents) -> type[Record]:
    """Return which record class a file holds.

    Raises
    ------
    FileInvalid
        It holds none that calcore knows.
    """
    path = contents.source.path
    names = {extension.name for extension in contents.extensions}
    science = contents.find("SCI")
    if science is None and (spectra := contents.find("EXTRACT1D")) is not None:
        return SpectrumSeries if "INT_NUM" in spectra.header.values() else Spectra
    if science is None and "COMBINE1D" in names:
        return CombinedSpectra
    if science is None:
        there = ", ".join(sorted(names - {"PRIMARY"})) or "no extension"
        raise FileInvalid(
            path, f"has no extension SCI, so it is no exposure; it holds {there}. Give another file"
        )
    if not science.shape:
        raise FileInvalid(path, "its extension SCI holds no image; give another file")
    axes = len(science.shape)
    suffix = suffix_of(path)
    if axes == 4:
        return Ramp
    model = contents.primary.header.get("DATAMODL")
    if {"WHT", "CON"} & names and axes == 2:
        return RectifiedSlit if model == "SlitModel" else Mosaic
    if model == "IFUCubeModel" or (axes == 3 and "WMAP" in names):
        return Cube
    if suffix == "segm" or model == "SegmentationMapModel":
        return Segmentation
    if model == "SlitModel" and axes in {2, 3}:
        return Slit
    if axes not in {2, 3}:
        raise FileInvalid(path, f"SCI has {axes} axes; exposures have 2, 3 or 4. Give another file")
    calibrated = {"VAR_FLAT", "AREA"} & names or contents.primary.header.get("S_WCS") == "COMPLETE"
    counts = str(science.header.get("BUNIT", "")).replace(" ", "") == "DN/s"
    return Rate if suffix in _RATES or (counts and not calibrated) else Image


def model_name(
    kind: type[Any],
    shapes: Mapping[str, tuple[int, ...]],
    stored: Mapping[str, Storage],
    meta: Meta,
) -> str:
    """Return DATAMODL: what the reference pipeline calls such a product."""
    axes = len(shapes.get("data", ()))
    if issubclass(kind, Ramp):
        if stored["data"][1]:
            return "Level1bModel"
        return "SuperstripeRampModel" if len(shapes.get("pixeldq", ())) == 3 else "RampModel"
    named = next((name for known, name in _NAMED.items() if issubclass(kind, known)), "")
    given = str(meta.get("model_type", ""))
    if named:
        special = issubclass(kind, Spectra) and given.endswith(named)  # with columns of its own
        return given if special else named
    if issubclass(kind, Image) or kind.__name__ == "Rate":
        if axes == 2 and given in _MODELS:
            return given
        if axes == 2 and _is_integral_field(meta):
            return "IFUImageModel"
        return "CubeModel" if axes == 3 else "ImageModel"
    return given


def _is_integral_field(meta: Meta) -> bool:
    """Tell whether an exposure is one of an integral-field unit, as far as is known.

    The column ``integral_field`` of exposure types says so: true, or the values of OPMODE with which it is.
    """
    try:
        told = meta.facts.exposure_type.data.get("integral_field", ())
    except CalcoreError:
        return False
    return told is True or meta.get("instrument.lamp_mode") in told
