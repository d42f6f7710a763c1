"""Reference files of the low-resolution spectrometer's slit."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from calcore.model import Reference
from calcore.model.exposure import Table
from calcore.model.layout import TableExtension


@dataclass(frozen=True, eq=False, kw_only=True)
class SlitLossMap(Reference):
    """What a point source's light is to be multiplied by, since some does not enter the slit.

    `table` has a row for each wavelength [um]: pathloss (ny, nx) by the source's place. `meta` says
    which places these are: loss_map.crpix1 … cdelt2, pixels from the middle of the slit, along it and
    across.
    """

    type: ClassVar[str] = "pathloss"
    table: Annotated[Table, TableExtension("PATHLOSS", required=True)]
