"""The medium-resolution spectrometer's geometry for the simulator: in short, or from reference files."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import asdf
import numpy as np
from astropy.modeling import Model
from astropy.modeling.models import Identity, Polynomial2D, Shift
from astropy.modeling.models import Mapping as Axes
from numpy.polynomial.polynomial import polyvander2d
from numpy.typing import NDArray

from calcore.errors import BadParameter
from calcore.simulate.image_slicer import ImageSlicer, Slice, SlicedField

FloatArray = NDArray[np.float64]

ROWS, COLUMNS = 1024, 1032
BANDS = ("SHORT", "MEDIUM", "LONG")
KINDS = ("distortion", "specwcs")
BEYOND = 0.03
"""How far the detector reaches beyond a band's nominal range, over that range."""
APART = 0.2
"""How far the limits reach that tell channels from each other, over the range."""
BEND_OF_DISPERSION = 0.04
"""The quadratic part of the dispersion over the linear one."""
STRETCH = 0.02
"""How much the scale along slices changes from the middle of the detector to its ends."""
BACK = 4
"""Degree of the polynomials from wavelengths and angles to pixels."""


@cache
def table() -> Mapping[str, Any]:
    """Return the spectrometer in short."""
    path = files("calcore_miri") / "tables" / "slicers.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def channels_of(detector: str) -> list[int]:
    """Return the channels that a detector records."""
    rows = table()["channel"]
    return [int(number) for number in rows if rows[number]["detector"] == detector]


def channel(number: int) -> Mapping[str, Any]:
    """Return the row of a channel."""
    row: Mapping[str, Any] = table()["channel"][str(number)]
    return row


def limits(number: int, band: str) -> tuple[float, float]:
    """Return the limits that tell a channel and band from others [um]."""
    low, high = channel(number)["band"][band]["range"]
    beyond = APART * (high - low)
    return low - beyond, high + beyond


@lru_cache(maxsize=2)
def slicer_in_short(detector: str, band: str) -> ImageSlicer:
    """Make the slicers before a detector from the published figures."""
    numbers = channels_of(detector)
    parts = [
        part
        for place, number in enumerate(numbers)
        for part in _slices(number, place, channel(number), band)
    ]
    fields = [_field(number, channel(number), band) for number in numbers]
    return ImageSlicer(shape=(ROWS, COLUMNS), fields=fields, slices=parts)


def slicer_from_files(trees: Mapping[str, Mapping[str, Any]], band: str) -> ImageSlicer:
    """Make the slicers before a detector from the content of reference files.

    Parameters
    ----------
    trees
        Content of a distortion and a specwcs, by type.
    band
        The band that they are of.
    """
    distortion, waves = trees["distortion"], trees["specwcs"]
    fields = []
    for name, zero, step, model in zip(
        distortion["abv2v3_model"]["channel_band"], distortion["bzero"]["beta_zero"],
        distortion["bdel"]["delta_beta"], distortion["abv2v3_model"]["model"], strict=True,
    ):  # fmt: skip
        number = int(name[0])
        fields.append(
            SlicedField(
                number=number, name=name, wavelengths=limits(number, band), beta_zero=zero,
                beta_step=step, half_length=channel(number)["field_arcsec"] / 2,
                to_telescope=model,
            )
        )  # fmt: skip
    places = {field.number: place for place, field in enumerate(fields)}
    parts = [
        Slice(
            number=number, field=places[number // 100], beta=float(beta.amplitude.value),
            alpha=alpha, wavelength=wavelength, x=x, y=y,
        )
        for number, alpha, beta, x, y, wavelength in zip(
            distortion["slices"], distortion["alpha_model"], distortion["beta_model"],
            distortion["x_model"], distortion["y_model"], waves["model"], strict=True,
        )
    ]  # fmt: skip
    return ImageSlicer(shape=(ROWS, COLUMNS), fields=fields, slices=parts)


def find_files(folder: Path, detector: str, band: str) -> dict[str, Path]:
    """Return the reference files of a detector and band in a folder, by type.

    Raises
    ------
    BadParameter
        The folder lacks one.
    """
    found = {}
    for path in sorted(folder.glob("*.asdf")):
        meta = asdf.util.load_yaml(path, tagged=False).get("meta", {})
        own = meta.get("instrument", {})
        if (own.get("detector"), own.get("band")) == (detector, band):
            found[meta.get("reftype")] = path
    if missing := [kind for kind in KINDS if kind not in found]:
        raise BadParameter(
            f"{folder} has no {' and no '.join(missing)} of {detector}, band {band}; give a folder "
            "that has, or none, which takes the geometry that the simulator brings"
        )
    return {kind: found[kind] for kind in KINDS}


def read_files(paths: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Return the content of reference files, by type."""
    trees = {}
    for kind, path in paths.items():
        with asdf.open(path, lazy_load=False, memmap=False) as file:
            trees[kind] = dict(file.tree)
    return trees


def _field(number: int, row: Mapping[str, Any], band: str) -> SlicedField:
    angle = np.radians(table()["angle_deg"])
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))
    count = len(row["order"])
    return SlicedField(
        number=number, name=f"{number}{band}", wavelengths=limits(number, band),
        beta_zero=-row["slice_arcsec"] * (count - 1) / 2, beta_step=row["slice_arcsec"],
        half_length=row["field_arcsec"] / 2,
        to_telescope=_turn(row["v2_arcsec"], row["v3_arcsec"], cosine, sine),
    )  # fmt: skip


def _turn(v2: float, v3: float, cosine: float, sine: float) -> Model:
    """Return the way from angles along and across slices to V2 and V3, with the way back.

    The matrix is its own inverse: a mirror.
    """

    def pair(first: Sequence[float], second: Sequence[float]) -> Model:
        both = (Polynomial2D(1, c0_0=c, c1_0=x, c0_1=y) for c, x, y in (first, second))
        return Axes((0, 1, 0, 1)) | next(both) & next(both)

    there = pair((v2, cosine, -sine), (v3, -sine, -cosine))
    there.inverse = pair(
        (sine * v3 - cosine * v2, cosine, -sine), (sine * v2 + cosine * v3, -sine, -cosine)
    )
    return there


def _slices(number: int, place: int, row: Mapping[str, Any], band: str) -> list[Slice]:
    """Return the slices of a channel in the order of their numbers."""
    low, high = row["band"][band]["range"]
    beyond = BEYOND * (high - low)
    count = len(row["order"])
    found = []
    first, last = row["columns"]
    middles = np.linspace(first, last, count)
    for slot, slit in enumerate(row["order"]):
        middle = float(middles[slot])
        tilt = float(np.interp(slit, (1, count), row["tilt"]))
        alpha = _alpha(row, middle)
        wavelength = _wavelength(row, middle, (low - beyond, high + beyond), tilt)
        x, y = _back(alpha, wavelength, row, middle)
        found.append(
            Slice(
                number=100 * number + slit, field=place,
                beta=row["slice_arcsec"] * (slit - 1 - (count - 1) / 2),
                alpha=alpha, wavelength=wavelength, x=x, y=y,
            )
        )  # fmt: skip
    return sorted(found, key=lambda part: part.number)


def _height() -> FloatArray:
    """Return the polynomial of y that is -1 at the bottom and 1 at the top of the detector."""
    half = ROWS / 2
    return np.array([-(half - 0.5) / half, 1 / half])


def _polynomial(terms: Mapping[int, FloatArray], middle: float) -> Model:
    """Return a polynomial of y and x; `terms` has those of y by the power of x from the middle."""
    degree = max(power + len(part) - 1 for power, part in terms.items())
    named = {
        f"c{order}_{power}": float(value)
        for power, part in terms.items()
        for order, value in enumerate(part)
    }
    return Identity(1) & Shift(-middle) | Polynomial2D(degree, **named)


def _alpha(row: Mapping[str, Any], middle: float) -> Model:
    """Return the angle along a slice [arcsec] as a polynomial of y and x [pixel]."""
    height = np.polynomial.Polynomial(_height())
    scale = row["along"] * row["pixel_arcsec"] * (1 + STRETCH * height**2)
    # Slices lie farther right in the middle of the detector than at its ends.
    bent = row["bend"] * (height**2 - 0.5)
    return _polynomial({0: (scale * bent).coef, 1: scale.coef}, middle)


def _wavelength(
    row: Mapping[str, Any], middle: float, ends: tuple[float, float], tilt: float
) -> Model:
    """Return the wavelength [um] as a polynomial of y and x [pixel]."""
    height = np.polynomial.Polynomial(_height()) * row["up"]
    half = (ends[1] - ends[0]) / 2
    wave = sum(ends) / 2 + half * (height - BEND_OF_DISPERSION * (height**2 - 1))
    by_row = 2 * half / ROWS
    return _polynomial({0: wave.coef, 1: np.array([tilt * by_row])}, middle)


def _back(
    alpha: Model, wavelength: Model, row: Mapping[str, Any], middle: float
) -> tuple[Model, Model]:
    """Return polynomials from wavelength and angle along a slice to x and y, fitted to the way there."""
    reach = row["field_arcsec"] / row["pixel_arcsec"] / 2 + row["bend"] + 2
    y, x = (
        part.ravel()
        for part in np.meshgrid(
            np.linspace(0, ROWS - 1, 40), middle + np.linspace(-reach, reach, 12), indexing="ij"
        )
    )
    waves, angles = wavelength(y, x), alpha(y, x)
    centre = float(waves.mean())
    size = float(np.abs(waves - centre).max())
    powers = np.add.outer(np.arange(BACK + 1), np.arange(BACK + 1))
    used = powers <= BACK
    basis = polyvander2d((waves - centre) / size, angles, (BACK, BACK))[:, used.ravel()]
    models = []
    for pixel in (x, y):
        terms = np.zeros(powers.shape)
        terms[used] = np.linalg.lstsq(basis, pixel, rcond=None)[0]
        named = {
            f"c{i}_{j}": float(terms[i, j] / size**i)
            for i, j in zip(*np.nonzero(used), strict=True)
        }
        models.append(Shift(-centre) & Identity(1) | Polynomial2D(BACK, **named))
    return models[0], models[1]
