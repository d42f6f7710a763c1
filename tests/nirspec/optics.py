"""References of NIRSpec's simulated optics as records, for tests."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calcore.errors import ReferenceMissing
from calcore.model import Meta
from calcore_nirspec.optical_references import (
    Camera,
    Collimator,
    DisperserFile,
    Fore,
    Fpa,
    IfuPost,
    IfuSlicer,
    Msa,
    MsaConfiguration,
    MsaOperation,
    Ote,
    WavelengthRange,
)
from calcore_nirspec.simulate import optics as simulated_optics
from calcore_nirspec.wcs.disperser import disperser_of
from calcore_nirspec.wcs.spectrograph import Spectrograph

NONE = Meta({})


def record(kind: Any, **tree: Any) -> Any:
    """Return the record of a simulated reference."""
    tree = {key: value for key, value in tree.items() if key != "meta"}
    if kind in (Msa, DisperserFile, IfuPost):
        return kind(meta=NONE, tree=tree)
    if kind is Fpa:
        return Fpa(meta=NONE, first=tree["nrs1_model"], second=tree["nrs2_model"])
    if kind is WavelengthRange:
        names, ranges, orders = tree.values()
        return WavelengthRange(meta=NONE, names=names, ranges=ranges, orders=orders)
    return kind(meta=NONE, **tree)


def simulated(kind: Any, grating: str = "MIRROR") -> Any:
    """Return a simulated reference."""
    if kind is DisperserFile:
        return record(kind, **simulated_optics.disperser_tree(grating))
    return record(kind, **simulated_optics.TREES[kind.type][1]())


def spectrograph(detector: str, grating: str, **more: Any) -> Spectrograph:
    """Return the simulated spectrograph."""
    return Spectrograph(
        detector=detector,
        fpa=simulated(Fpa).model(detector),
        camera=simulated(Camera).model,
        collimator=simulated(Collimator).model,
        disperser=disperser_of(simulated_optics.disperser_tree(grating)),
        **more,
    )


@dataclass
class Asked:
    """Answers what masks ask for: simulated optics, and a table of shutters."""

    grating: str
    shutters: Any = None
    missing: str = ""
    asked: list[str] = field(default_factory=list)
    stuck: Any = None

    def if_any(self, kind: Any) -> Any:
        assert kind is MsaOperation
        return None if self.stuck is None else MsaOperation(meta=NONE, shutters=self.stuck)

    def __call__(self, kind: Any, named: str | None = None) -> Any:
        self.asked.append(kind.type)
        if kind.type == self.missing:
            raise ReferenceMissing(f"there is no {kind.type}")
        if kind is MsaConfiguration:
            assert named == "instrument.msa_metadata_file"
            return MsaConfiguration(meta=NONE, table=self.shutters)
        return simulated(kind, self.grating)


def shutters(*rows: tuple[int, int, int, int, int, int]) -> Any:
    """Return a table of open shutters: slitlet, configuration, quadrant, row, column, dither."""
    names = (
        "slitlet_id", "msa_metadata_id", "shutter_quadrant", "shutter_row", "shutter_column",
        "dither_point_index",
    )  # fmt: skip
    return np.array(list(rows), [(name, "i2") for name in names])


IMAGING = (Fpa, Camera, Collimator, Fore, Ote, WavelengthRange)
SLICER = (IfuSlicer, IfuPost)
