"""What the steps of the low-resolution spectrometer are checked with."""

import numpy as np

from calcore.model import Meta
from calcore.model.reference import Distortion, FilterOffset
from calcore.model.slit import Slit
from calcore.testing import Case
from calcore.testing.samples import a_reference, an_image
from calcore.testing.spectra import SHAPE, a_slit
from calcore_miri import INSTRUMENT
from calcore_miri.references import SlitLossMap, SlitTrace
from calcore_miri.steps.assign_slit_wcs import AssignSlitWcs
from calcore_miri.steps.slit_loss import SlitLoss
from calcore_miri.steps.targ_centroid import TargCentroid

_EMPTY = Meta({})
_NAMES = {
    "instrument.name": "MIRI", "instrument.detector": "MIRIMAGE", "instrument.filter": "P750L",
    "exposure.type": "MIR_LRS-FIXEDSLIT",
}  # fmt: skip


def _known(slit: Slit) -> Slit:
    meta = slit.meta.set(_NAMES | {"target.ra": 10.0, "target.dec": 20.0})
    return slit.replace(meta=meta.with_facts(INSTRUMENT.facts(meta)))


def assign_slit_wcs() -> Case:
    """An exposure of a slit in the middle of a small detector."""
    rows = np.arange(-12.0, 13.0)[::-1]
    columns = {"x_center": 0.01 * rows, "y_center": rows, "wavelength": 9 - 0.3 * rows}
    for corner in range(4):
        columns[f"x{corner}"] = rows * 0 + (-9.5 if corner in {0, 3} else 9.5)
        columns[f"y{corner}"] = rows + (0.5 if corner < 2 else -0.5)
    table = np.zeros(rows.size, [(name, "f8") for name in columns])
    for name, values in columns.items():
        table[name] = values
    image = _known(a_slit())
    trace = SlitTrace(meta=Meta({"x_ref": 15.5, "y_ref": 24.5}), table=table)
    distortion = a_reference(Distortion, image)
    return Case(AssignSlitWcs(), image, {"distortion": distortion, "specwcs": trace})


def slit_loss() -> Case:
    """A point source in the middle of the slit."""
    known = np.linspace(13, 6, 8)
    table = np.zeros(8, [("wavelength", "f4"), ("pathloss", "f4", (7, 11))])
    table["wavelength"], table["pathloss"] = known, (1.2 + 0.03 * known)[:, None, None]
    grid = {
        "crpix1": 6.0,
        "crpix2": 4.0,
        "crval1": 0.0,
        "crval2": 0.0,
        "cdelt1": 1.0,
        "cdelt2": 1.0,
    }
    meta = Meta({f"loss_map.{name}": value for name, value in grid.items()})
    return Case(SlitLoss(), _known(a_slit()), {"pathloss": SlitLossMap(meta=meta, table=table)})


def targ_centroid() -> Case:
    """An exposure, and the image of a star that was taken before."""
    row, column = np.mgrid[: SHAPE[0], : SHAPE[1]]
    star = 500 * np.exp(-((column - 14.9) ** 2 + (row - 23.1) ** 2) / 2.5) + 3
    image = an_image(SHAPE, instrument__filter="F560W", target__ra=10.0, target__dec=20.0)
    image = image.replace(data=star.astype("f4"), dq=np.zeros(SHAPE, np.uint32))
    shifts = [{"filter": "F560W", "pupil": "N/A", "column_offset": -0.1, "row_offset": 0.2}]
    given = {"filter_offset": FilterOffset(meta=_EMPTY, filters=shifts), "acquisitions": (image,)}
    return Case(TargCentroid(), _known(a_slit()), given)
