"""Measure where in the slit the target lies, on the image taken to put it there."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.kernels.gaussian_fit import gaussian_centre
from calcore.model import Image
from calcore.model.reference import FilterOffset
from calcore.model.slit import Slit
from calcore.step import Members, Step
from calcore.steps.calibration.assign_wcs import offset_of
from calcore.wcs.dispersed_slit import along_slit

HALF_SIZE = 10
"""How far from where it should be the target is looked for [pixel]."""

Place = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class TargCentroid(Step):
    """Tell where the target is in the slit, from the acquisition image.

    A Gaussian is fitted to the target. Its place in the spectrum's exposure differs by what the image's
    filter shifts it, by where the sub-arrays begin, and by the dither along the slit. The header gets
    TA_XPOS and TA_YPOS, as measured, and SRCXPOS and SRCYPOS; no pixel is changed.
    """

    def apply(
        self,
        slit: Slit,
        *,
        filter_offset: FilterOffset | None = None,
        acquisitions: Annotated[tuple[Image, ...], Members("target_acquisition")] = (),
    ) -> Slit:
        """Attach the places, pixels counted from 0.

        Raises
        ------
        StepSkipped
            There is no acquisition image, it says not where it looked, or shows no source there.
        """
        if not acquisitions:
            raise StepSkipped("there is no acquisition image; give one with ta_file")
        image = acquisitions[-1].loaded("data", "dq")
        measured = _measured(image, slit)
        offset = offset_of(image.meta, filter_offset)
        own = offset_of(slit.meta, filter_offset)
        corner, begins = image.meta.subarray_origin, slit.meta.subarray_origin
        x = measured[0] + offset[0] - own[0] + corner[1] - begins[1] + _dither(slit)
        y = measured[1] + offset[1] - own[1] + corner[0] - begins[0]
        changes = {
            "slit.ta_xpos": measured[0], "slit.ta_ypos": measured[1],
            "slit.source_xpos": x, "slit.source_ypos": y,
        }  # fmt: skip
        return slit.replace(meta=slit.meta.set(changes))


def _measured(image: Image, slit: Slit) -> Place:
    """Return where the target is on the acquisition image."""
    told = [
        image.meta.get(f"target.{name}", slit.meta.get(f"target.{name}")) for name in ("ra", "dec")
    ]
    if image.wcs is None or None in told:
        raise StepSkipped(
            "the acquisition image has no world coordinates, or no header says where the target is; "
            "give one that was calibrated"
        )
    place = [float(one) for one in image.wcs.invert(*told, with_bounding_box=False)]
    rows, columns = (
        slice(max(round(one) - HALF_SIZE, 0), max(round(one) + HALF_SIZE + 1, 0))
        for one in (place[1], place[0])
    )
    bad = (image.dq[rows, columns] & np.uint32(DQ.DO_NOT_USE)) != 0
    found = gaussian_centre(np.where(bad, np.float32(np.nan), image.data[rows, columns]))
    if found is None:
        raise StepSkipped(
            f"no source is seen on the acquisition image within {HALF_SIZE} pixels of column "
            f"{place[0]:.1f}, row {place[1]:.1f}, where the target should be"
        )
    return columns.start + found[0], rows.start + found[1]


def _dither(slit: Slit) -> float:
    """Return how far along the slit the dither has moved the target [pixel]; 0 if none is known."""
    meta = slit.meta
    names = ("dither.dithered_ra", "dither.dithered_dec", "wcsinfo.ra_ref", "wcsinfo.dec_ref")
    told = [meta.get(name) for name in names]
    if slit.wcs is None or None in told:
        return 0.0
    here, middle = (along_slit(slit.wcs, float(told[k]), float(told[k + 1])) for k in (0, 2))
    return here - middle
