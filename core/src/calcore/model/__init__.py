"""What flows through pipelines: frozen records of arrays and metadata. No input or output."""

from calcore.model.exposure import Catalog, Group, Image, Mosaic, Ramp, Rate, Segmentation
from calcore.model.facts import Detector, ExposureType, Facts
from calcore.model.kept import Kept
from calcore.model.meta import Meta
from calcore.model.record import Carried, Parts, Record
from calcore.model.reference import Reference
from calcore.model.window import Window

__all__ = [
    "Carried",
    "Catalog",
    "Detector",
    "ExposureType",
    "Facts",
    "Group",
    "Image",
    "Kept",
    "Meta",
    "Mosaic",
    "Parts",
    "Ramp",
    "Rate",
    "Record",
    "Reference",
    "Segmentation",
    "Window",
]
