"""What steps are checked with that extract spectra, combine them, or subtract them."""

import numpy as np

from calcore.model import Group, Meta
from calcore.model.cube import Cube
from calcore.model.reference import (
    ApertureCorrection,
    CubeApertureCorrection,
    CubeApertures,
    SlitApertures,
)
from calcore.model.spectrum import Spectra, Spectrum
from calcore.steps.calibration.extract_cube import ExtractCube
from calcore.steps.calibration.extract_slit import ExtractSlit
from calcore.steps.combination.combine_1d import Combine1d
from calcore.steps.combination.master_background import MasterBackground
from calcore.testing.contract import Case
from calcore.testing.samples import metadata
from calcore.testing.spectra import a_slit

_SIDE = 0.1
_STERADIAN = float(np.radians(_SIDE / 3600) ** 2)


def a_cube(shape: tuple[int, int, int] = (5, 25, 27)) -> Cube:
    """Return a cube (n_wavelength, ny, nx) [MJy/sr] of a point source, with a WCS; one voxel is NaN."""
    from calcore.wcs.cube_grid import CubeGrid  # noqa: PLC0415 - heavy
    from calcore.wcs.cube_planes import EvenPlanes  # noqa: PLC0415 - heavy
    from calcore.wcs.tangent import TangentPlane  # noqa: PLC0415 - heavy

    planes, rows, columns = shape
    spacing = EvenPlanes(count=planes, shortest_um=5.0, step_um=0.01)
    plane = TangentPlane(10.0, 20.0, 0.0)
    grid = CubeGrid(plane=plane, size=(rows, columns), spaxel_arcsec=_SIDE, spacing=spacing)
    _, y, x = np.indices(shape)
    light = 100 * np.exp(-((x - columns // 2) ** 2 + (y - rows // 2) ** 2) / 8) + 2
    noise = np.random.default_rng(1).normal(0, 0.2, shape)
    data = (light + noise).astype(np.float32)
    data[planes // 2, rows // 2, columns // 2] = np.nan
    known = {"target__ra": 10.0, "target__dec": 20.0, "target__source_type": "POINT",
             "photometry__pixelarea_steradians": _STERADIAN}  # fmt: skip
    return Cube(
        meta=metadata(rows, columns, **known), data=data, wcs=grid.wcs,
        err=np.full(shape, 0.2, np.float32), dq=np.zeros(shape, np.uint32),
        wmap=np.ones(shape, np.float32),
    )  # fmt: skip


def spectra(seed: int = 1, **more: object) -> Spectra:
    """Return a spectrum from 5 to 14 um, one row of which is flagged."""
    rng = np.random.default_rng(seed)
    wavelength = np.linspace(5, 14, 40)
    names = ("FLUX", "FLUX_ERROR", "SURF_BRIGHT", "SB_ERROR", "BACKGROUND", "BKGD_ERROR")
    columns = {name: rng.uniform(1, 2, wavelength.size) for name in names}
    dq = (np.arange(wavelength.size) == 3).astype(np.uint32)
    own = Spectrum.of(
        Meta({"spectrum.name": "SLIT"}), None, WAVELENGTH=wavelength, DQ=dq, **columns
    )
    return Spectra(meta=metadata(8, 8, **more), spectra=(own,))


def combine_1d() -> Case:
    """Spectra of two exposures."""
    return Case(Combine1d(), Group("product", (spectra(), spectra(2))))


def extract_cube() -> Case:
    """A point source in the middle of a cube."""
    known = np.array([4.9, 5.2])
    vectors = {"wavelength": known, "radius": [0.4, 0.45], "inner_bkg": [0.7, 0.8],
               "outer_bkg": [1.1, 1.2]}  # fmt: skip
    table = {"wavelength": known, "radius": np.array([[0.3, 0.3], [0.6, 0.6]]),
             "apcorr": np.array([[1.4, 1.4], [1.1, 1.1]])}  # fmt: skip
    given = {
        "extract1d": CubeApertures(meta=Meta({}), vectors=vectors, subtract_background=True),
        "apcorr": CubeApertureCorrection(meta=Meta({}), table=table),
    }
    return Case(ExtractCube(), a_cube(), given)


def extract_slit() -> Case:
    """A point source in a slit, with background on both sides."""
    entry = {"id": "ANY", "dispaxis": 2, "xstart": 12, "xstop": 17,
             "bkg_coeff": [[4.5], [8.5], [20.5], [24.5]], "use_source_posn": False}  # fmt: skip
    kinds = [("wavelength", "f4", (2,)), ("size", "f4", (2,)), ("apcorr", "f4", (2, 2))]
    table = np.array([([5, 14], [3, 9], [[1.5, 1.1], [1.7, 1.2]])], kinds)
    given = {
        "extract1d": SlitApertures(meta=Meta({}), apertures=[entry]),
        "apcorr": ApertureCorrection(meta=Meta({}), table=table),
    }
    return Case(ExtractSlit(), a_slit(), given)


def master_background() -> Case:
    """A slit, and spectra of two exposures beside the target."""
    members = (spectra(observation__bkgdtarg=True), spectra(2, observation__bkgdtarg=True))
    given = {"backgrounds": members, "userbackground": None}
    return Case(MasterBackground(), Group("product", (a_slit(),)), given)
