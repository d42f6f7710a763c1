"""References of NIRSpec's optics for simulated exposures, in the form CRDS serves them.

The optics are those of ``tables/optics.toml``: planes that are scaled and turned, without
aberrations. All of what the telescope does to the sky is in the `ote` reference, which is fitted so
that images agree with the positions that the simulator gives to sources.
"""

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from astropy.modeling import Model
from astropy.modeling.models import (
    AffineTransformation2D,
    Identity,
    Polynomial1D,
    Polynomial2D,
    Shift,
)
from astropy.modeling.models import (
    Mapping as Pick,
)
from numpy.typing import NDArray

from calcore.simulate.geometry import pixel_to_v2v3
from calcore.simulate.reference_io import Setup, write_asdf
from calcore.simulate.tables import load_detectors
from calcore_nirspec.wcs.directions import tangents, turned, unit_vector
from calcore_nirspec.wcs.disperser import MIRROR, disperser_of
from calcore_nirspec.wcs.fitting import fitted

DEGREE = 5
"""Of the polynomials of the telescope."""
_SAMPLES = 24
_KINDS = [("NO", "i4"), ("XC", "f8"), ("YC", "f8"), ("SIZEX", "f8"), ("SIZEY", "f8")]


@cache
def table() -> Mapping[str, Any]:
    """Return the content of ``tables/optics.toml``."""
    path = files("calcore_nirspec") / "tables" / "optics.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def fpa_tree() -> dict[str, Any]:
    """Return the tree of `fpa`."""
    own = table()["fpa"]
    tree = {}
    for name in ("NRS1", "NRS2"):
        scale = own["pixel"] * own[name]["sense"]
        tree[f"{name.lower()}_model"] = _affine([[scale, 0.0], [0.0, scale]], own[name]["corner"])
    return tree


def camera_tree() -> dict[str, Any]:
    """Return the tree of `camera`."""
    own = table()["camera"]
    return {"model": _affine(own["matrix"], own["centre"])}


def collimator_tree() -> dict[str, Any]:
    """Return the tree of `collimator`."""
    own = table()["collimator"]
    x, y = own["centre"]
    return {"model": Shift(-x) & Shift(-y) | AffineTransformation2D(own["matrix"])}


def fore_tree() -> dict[str, Any]:
    """Return the tree of `fore`; its light has no colours."""
    return {"model": _colourless(AffineTransformation2D(table()["fore"]["matrix"]))}


def ote_tree() -> dict[str, Any]:
    """Return the tree of `ote`, to arcsec."""
    focal, seen = [], []
    for name, detector in load_detectors(
        files("calcore_nirspec") / "tables" / "apertures.toml"
    ).items():
        node = np.linspace(0, 2047, _SAMPLES)
        y, x = (plane.ravel() for plane in np.meshgrid(node, node, indexing="ij"))
        focal.append(np.stack(_focal_plane(name, x, y)))
        seen.append(np.stack(pixel_to_v2v3(detector, x, y)))
    near, far = np.concatenate(focal, axis=1), np.concatenate(seen, axis=1)
    model = fitted(near, far, DEGREE)
    model.inverse = fitted(far, near, DEGREE)
    return {"model": model, "meta": {"output_units": "arcsec"}}


def disperser_tree(name: str) -> dict[str, Any]:
    """Return the tree of `disperser`; its wheel comes to rest where it should."""
    own = table()["disperser"][name]
    tree: dict[str, Any] = {
        "grating": name, "theta_x": 0.0, "theta_y": 0.0, "theta_z": 0.0, "tilt_x": 0.0,
        "tilt_y": own["tilt"], "groovedensity": own.get("grooves_per_m", 0.0),
    }  # fmt: skip
    for axis in "xy":
        tree[f"gwa_tilt{axis}"] = {
            "temperatures": [37.0],
            "zeroreadings": [0.3],
            "tilt_model": Polynomial1D(1, c0=0.0, c1=5000.0),
            "unit": "arcsec",
        }
    if "angle" in own:
        del tree["groovedensity"]
        tree |= {
            "angle": own["angle"], "kcoef": own["strengths"], "lcoef": own["resonances"],
            "tcoef": [0.0] * 6, "tref": 35.0, "pref": 0.0, "wbound": [4e-7, 7e-6],
        }  # fmt: skip
    return tree


def wavelengthrange_tree() -> dict[str, Any]:
    """Return the tree of `wavelengthrange`."""
    rows = table()["wavelengthrange"]
    return {
        "waverange_selector": list(rows),
        "wavelengthrange": [list(row[:2]) for row in rows.values()],
        "order": [int(row[2]) for row in rows.values()],
        "meta": {"wavelength_units": "m"},
    }


def msa_tree() -> dict[str, Any]:
    """Return the tree of `msa`: four quadrants of shutters, and the slits."""
    own = table()["shutters"]
    row, column = np.divmod(np.arange(own["columns"] * own["rows"]), own["columns"])
    shutters = np.zeros(len(row), _KINDS)
    shutters["NO"] = np.arange(1, len(row) + 1)
    shutters["XC"] = (column - (own["columns"] - 1) / 2) * own["pitch"][0]
    shutters["YC"] = (row - (own["rows"] - 1) / 2) * own["pitch"][1]
    shutters["SIZEX"], shutters["SIZEY"] = own["size"]
    tree: dict[str, Any] = {
        f"Q{number}": {"data": shutters, "model": Shift(x) & Shift(y)}
        for number, (x, y) in enumerate(own["centres"], start=1)
    }
    slits = [
        (number, *slit["centre"], *slit["size"])
        for number, slit in enumerate(table()["slit"], start=1)
    ]
    tree["Q5"] = {"data": np.array(slits, _KINDS), "model": Identity(2)}
    return tree


def ifufore_tree() -> dict[str, Any]:
    """Return the tree of `ifufore`: the IFU's window is spread over the slicer."""
    x, y = next(slit["centre"] for slit in table()["slit"] if slit["name"] == "IFU")
    scale = 1 / table()["slicer"]["magnification"]
    plane = Shift(-x) & Shift(-y) | AffineTransformation2D([[scale, 0], [0, scale]])
    return {"model": _colourless(plane)}


def chromcorr_tree() -> dict[str, Any]:
    """Return the tree of `chromcorr`: nothing."""
    return {"model": Identity(3)}


def ifuslicer_tree() -> dict[str, Any]:
    """Return the tree of `ifuslicer`."""
    own = table()["slicer"]
    slices = [
        (number, _slice_place(number), 0.0, own["width"], own["length"])
        for number in range(own["slices"])
    ]
    return {"data": np.array(slices, _KINDS), "model": Identity(2)}


def ifupost_tree() -> dict[str, Any]:
    """Return the tree of `ifupost`."""
    own = table()["slicer"]
    scale, tree = own["magnification"], {}
    for number in range(own["slices"]):
        side = own["odd"] - own["step"] * (number // 2)
        if number % 2 == 0:
            side = own["even"] + own["step"] * (number // 2)
        linear = Shift(-_slice_place(number)) & Shift(0.0)
        tree[f"slice_{number}"] = {
            "linear": linear | _affine([[scale, 0], [0, scale]], [own["x"], side]),
            "xpoly": _straight(c1_0=1.0), "xpoly_distortion": _straight(),
            "ypoly": _straight(c0_1=1.0), "ypoly_distortion": _straight(),
        }  # fmt: skip
    return tree


def _colourless(plane: Model) -> Model:
    """Return the model of planes as one that is told the wavelength, too, either way."""
    model: Model = Pick((0, 1), n_inputs=3) | plane
    model.inverse = Pick((0, 1), n_inputs=3) | plane.inverse
    return model


def _slice_place(number: int) -> float:
    """Return where a slice is across the slicer [m]."""
    side = number // 2 + 0.5
    return float(table()["slicer"]["pitch"] * (side if number % 2 == 0 else -side))


def _straight(**terms: float) -> Polynomial2D:
    return Polynomial2D(DEGREE, **terms)


def _affine(matrix: Any, offset: Any) -> Model:
    x, y = offset
    return AffineTransformation2D(matrix) | Shift(float(x)) & Shift(float(y))


def _focal_plane(
    detector: str, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where pixels of an image look in the telescope's focal plane."""
    if detector == "NRS2":
        x, y = 2047 - x, 2047 - y
    plane = fpa_tree()[f"{detector.lower()}_model"](x, y)
    matrix = disperser_of(disperser_tree(MIRROR)).matrix
    leaving = turned(matrix, unit_vector(*camera_tree()["model"](*plane)))
    incoming = turned(matrix.T, leaving * np.array([-1.0, -1.0, 1.0])[:, None])
    slits = collimator_tree()["model"](*tangents(incoming))
    found = fore_tree()["model"](*slits, np.zeros_like(x))
    return found[0], found[1]


def write(setup: Setup, path: Path) -> None:
    """Write the reference of a row's type; the disperser is the exposure's."""
    kind = str(setup.table["type"])
    model, tree = TREES[kind]
    write_asdf(path, setup, kind, model, tree())


def write_disperser(setup: Setup, path: Path) -> None:
    """Write the disperser that stands in the grating wheel."""
    name = setup.value("GRATING")
    write_asdf(path, setup, "disperser", "DisperserModel", disperser_tree(name))


TREES: Mapping[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "fpa": ("FPAModel", fpa_tree),
    "camera": ("CameraModel", camera_tree),
    "collimator": ("CollimatorModel", collimator_tree),
    "fore": ("FOREModel", fore_tree),
    "ote": ("OTEModel", ote_tree),
    "wavelengthrange": ("WavelengthrangeModel", wavelengthrange_tree),
    "msa": ("MSAModel", msa_tree),
    "chromcorr": ("ChromCorrModel", chromcorr_tree),
    "ifufore": ("IFUFOREModel", ifufore_tree),
    "ifuslicer": ("IFUSlicerModel", ifuslicer_tree),
    "ifupost": ("IFUPostModel", ifupost_tree),
}
"""By reference type: the data model that reads it, and what makes its tree."""
