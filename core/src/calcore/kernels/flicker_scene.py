"""What an image shows beside flicker noise, as far as it decides how the noise is best looked for.

The figures and the decisions are those of the JWST documentation's page on clean_flicker_noise
("Automatic Parameter Determination", after P. Goudfrooij); their limits are data.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calcore.kernels.flicker_mask import background_pixels, quiet_pixels
from calcore.kernels.flicker_noise import line_medians, surface
from calcore.kernels.sky import clipped_about_median

Values = NDArray[np.float32]
Profile = NDArray[np.float64]

_BRIGHT, _FAINT, _AWAY = 2.0, 3.0, 3.0  # [sigma] of sources, bad pixels, and what cleaning leaves
_REACH, _TIMES = 3.0, 5  # clipping of an amplifier's part of a profile


@dataclass(frozen=True)
class SceneFigures:
    """How crowded and how even the background of an image is.

    Attributes
    ----------
    masked : float
        Share of the pixels that do not show background.
    offset : float
        Largest difference between neighbouring amplifiers [DN/s]; 0 where one reads all.
    slope, slope_ratio : float
        The steeper slope of rows' and columns' means [DN/s per pixel], and how much steeper it is.
    scatter : float
        Scatter of what is left along a line or an amplifier [DN/s].
    """

    masked: float
    offset: float
    slope: float
    slope_ratio: float
    scatter: float


@dataclass(frozen=True)
class SceneLimits:
    """From where on the figures of a scene count as high; see `SceneFigures`.

    Between `slope` and `steep` it is even all the same if one direction alone is inclined.
    """

    masked: float
    offset: float
    scatter: float
    slope: float
    steep: float
    slope_ratio: float

    def background(self, scene: SceneFigures) -> Literal["median", "model"]:
        """Return whether the background is one level or a surface."""
        sparse = scene.masked < self.masked
        if sparse and scene.offset >= self.offset:
            return "median"
        inclined = scene.slope >= self.slope
        if sparse and scene.slope < self.steep and scene.slope_ratio >= self.slope_ratio:
            inclined = False
        return "model" if inclined else "median"

    def by_amplifier(self, scene: SceneFigures) -> bool:
        """Return whether each amplifier has lines of its own."""
        sparse = scene.masked < self.masked
        return sparse and (scene.offset >= self.offset or scene.scatter >= self.scatter)


@np.errstate(invalid="ignore")
def scene_figures(
    rate: Values, *, along_x: bool, amplifier: int | None, scatter_across: bool
) -> SceneFigures:
    """Measure an image once its lines are cleaned in a hurry.

    Parameters
    ----------
    rate : float32 (ny, nx)
        Count rate over the flat field [DN/s]; NaN and exact zeros are left out.
    along_x : bool
        True if lines that are read one after another are rows, else columns.
    amplifier : int or None
        Pixels of a line that one amplifier reads; None if one reads all.
    scatter_across : bool
        Take the scatter of lines, in the middle of the last amplifier's part, else that along a
        line, in the middle of the image.

    Returns
    -------
    SceneFigures
    """
    good = background_pixels(rate, np.ones(rate.shape, bool), _BRIGHT)
    good = quiet_pixels(rate, good, _BRIGHT, below=_FAINT).pixels
    if not good.any():
        return SceneFigures(masked=1.0, offset=0.0, slope=0.0, slope_ratio=1.0, scatter=0.0)
    level = np.median(rate[good])
    even = rate - line_medians(rate - level, good, along_x=along_x)
    good = quiet_pixels(even, good, _AWAY).pixels
    filled = even if good.all() else np.where(good, even, surface(even, good, None))
    lines = (filled if along_x else filled.T).astype(np.float64)
    count, length = lines.shape
    along = lines[_middle(count)].mean(axis=0)
    across = lines[:, _middle(length)].mean(axis=1)
    slopes = sorted((abs(_slope(along)), abs(_slope(across))))
    offset, last = 0.0, slice(0, length)
    if amplifier is not None:
        parts = along.reshape(-1, amplifier)
        levels = [clipped_about_median(part, _REACH, _TIMES).mean() for part in parts]
        offset = float(np.abs(np.diff(levels)).max())
        last = slice(length - amplifier, length)
    if scatter_across:
        third = (last.stop - last.start) / 3
        inner = lines[:, last.start + round(third) : last.start + round(2 * third)]
        along = inner.mean(axis=1)
    return SceneFigures(
        masked=float(1 - good.mean()),
        offset=offset,
        slope=slopes[1],
        slope_ratio=slopes[1] / slopes[0] if slopes[0] > 0 else np.inf,
        scatter=_scatter(along),
    )


def _middle(length: int) -> slice:
    """Return the central quarter of an axis."""
    return slice(3 * length // 8, 5 * length // 8)


def _slope(profile: Profile) -> float:
    """Return the slope of the straight line through a profile."""
    place = np.arange(profile.size) - (profile.size - 1) / 2
    return float(place @ profile / (place @ place))


def _scatter(profile: Profile) -> float:
    """Return the standard deviation about the straight line through a profile."""
    place = np.arange(profile.size) - (profile.size - 1) / 2
    return float(np.std(profile - _slope(profile) * place))
