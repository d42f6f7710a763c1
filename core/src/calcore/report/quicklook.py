"""A picture of a two-dimensional product, to see at a glance whether it came out well.

The stretch is the inverse hyperbolic sine (Lupton et al. 1999, AJ 118, 1406): linear within the
noise of the background, logarithmic above it, so that faint and bright sources show together.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import FuncNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from calcore.errors import DataUnusable
from calcore.flags import DQ
from calcore.model import Record
from calcore.report._marks import draw_compass, draw_sources

Float = NDArray[np.float32]

_PIXELS = 1000
"""Size that images are averaged down to [pixel]."""
_AROUND = 5
"""So many pixels are shown around those with values."""
NOT_A_VALUE = "#8c8c8c"
"""Grey, which the colour map does not contain."""


@dataclass(frozen=True)
class Stretch:
    """How values become colours.

    Attributes
    ----------
    level, noise : float
        Median and robust scatter of the values.
    low, high : float
        Values at the ends of the colour map.
    """

    level: float
    noise: float
    low: float
    high: float

    def forward(self, value: Any) -> Any:
        """Return the stretched value: asinh of the excess over the level, in twice the noise."""
        return np.arcsinh((np.asarray(value) - self.level) / (2 * self.noise))

    def inverse(self, stretched: Any) -> Any:
        """Return the value of a stretched one."""
        return np.sinh(np.asarray(stretched)) * (2 * self.noise) + self.level

    def ticks(self, number: int = 7) -> list[float]:
        """Return round values that lie about evenly on the colour bar."""
        even = np.linspace(self.forward(self.low), self.forward(self.high), number)
        found: list[float] = []
        for value in self.inverse(even):
            spacing = max(abs(value - self.level) / 4, self.noise, 1e-30)
            step = 10.0 ** np.floor(np.log10(spacing))
            rounded = float(np.round(value / step) * step)
            if self.low <= rounded <= self.high and rounded not in found:
                found.append(rounded)
        return found


def stretch_of(image: Float) -> Stretch:
    """Choose a stretch from robust percentiles of an image (ny, nx); NaN is left out.

    An image without any finite value gets the stretch of a blank one.
    """
    finite = image[np.isfinite(image)]
    if finite.size == 0:
        return Stretch(0.0, 1.0, -1.0, 1.0)
    lower, level, upper, top = (float(v) for v in np.percentile(finite, [16, 50, 84, 99.9]))
    noise = min(upper - level, level - lower)
    if noise <= 0:
        noise = max(upper - lower, abs(level) * 1e-3, float(np.finfo(np.float32).tiny) * 1e8)
    return Stretch(level, noise, level - 3 * noise, max(top, level + 10 * noise))


def average_down(image: Float, factor: int) -> Float:
    """Return the mean of blocks of `factor` x `factor` pixels of an image (ny, nx).

    NaN is left out; a block of nothing but NaN is NaN. Blocks at the upper and right edge may be
    narrower.
    """
    if factor == 1:
        return image
    ny, nx = image.shape
    padded = np.full((-(-ny // factor) * factor, -(-nx // factor) * factor), np.nan, np.float32)
    padded[:ny, :nx] = image
    total = np.zeros((padded.shape[0] // factor, padded.shape[1] // factor), np.float32)
    number = np.zeros(total.shape, np.float32)
    for row in range(factor):
        for column in range(factor):
            part = padded[row::factor, column::factor]
            good = np.isfinite(part)
            total += np.where(good, part, np.float32(0))
            number += good
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(number > 0, total / number, np.float32(np.nan)), np.float32)


def is_picture(record: Any) -> bool:
    """Tell whether a record is a two-dimensional product."""
    data = getattr(record, "data", None)
    return data is not None and len(data.shape) == 2


def image_figure(record: Record, title: str = "", catalog: Any = None) -> Figure:
    """Draw an image.

    Parameters
    ----------
    record : Record with a two-dimensional ``data``
        An image, a mosaic, or a segmentation map, whose sources get a colour each. Pixels that are
        NaN, or flagged DO_NOT_USE, are grey.
    title : str
        Stands above the picture; the record's file name by default.
    catalog : astropy.table.Table, optional
        Sources to mark: columns ``xcentroid`` and ``ycentroid`` [pixel, from 0] and, if there is
        one, ``is_extended``.

    Returns
    -------
    matplotlib.figure.Figure
        As wide and as high as the image's shape asks for, 9 by 12 inches at most. Of a dispersed
        exposure the part that has values is shown.

    Raises
    ------
    DataUnusable
        The record is not two-dimensional.
    """
    if not is_picture(record):
        shape = getattr(getattr(record, "data", None), "shape", None)
        raise DataUnusable(
            f"a quick look shows an image (ny, nx); {type(record).__name__} has the shape {shape}"
        )
    return _draw(record, title or str(record.meta.get("filename", "")), catalog)


def _draw(record: Any, title: str, catalog: Any) -> Figure:
    """Return the finished figure."""
    whole = np.asarray(record.data)
    labels = np.issubdtype(whole.dtype, np.integer)
    rows, columns = lit(whole) if _is_dispersed(record) else (slice(None), slice(None))
    image = whole[rows, columns]
    ny, nx = image.shape
    factor = max(1, round(max(ny, nx) / _PIXELS))
    height = min(max(7.2 * ny / nx + 1.0, 4.0), 12.0)
    width = min(max((height - 1.0) * nx / ny + 2.5, 4.5), 9.0)  # rectified slits are tall
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("x [pixel]")
    axes.set_ylabel("y [pixel]")
    left, bottom = (columns.start or 0) - 0.5, (rows.start or 0) - 0.5
    extent = (left, left + nx, bottom, bottom + ny)
    if labels:
        shown = shuffled(image[::factor, ::factor])
        axes.imshow(
            shown, origin="lower", extent=extent, interpolation="nearest", cmap=_map("turbo"),
            norm=Normalize(0, 1), aspect="equal",
        )  # fmt: skip
        axes.set_title(f"{title}\n{int(image.max(initial=0))} sources", fontsize=10)
    else:
        seen = usable(record, whole)[rows, columns]
        missing = float(np.mean(~np.isfinite(seen)))
        shown = average_down(seen, factor)
        stretch = stretch_of(shown)
        norm = FuncNorm((stretch.forward, stretch.inverse), vmin=stretch.low, vmax=stretch.high)
        drawn = axes.imshow(
            shown, origin="lower", extent=extent, interpolation="nearest", cmap=_map("inferno"),
            norm=norm, aspect="equal",
        )  # fmt: skip
        bar = figure.colorbar(drawn, ax=axes, ticks=stretch.ticks(), format="%.5g", extend="both")
        bar.minorticks_off()
        bar.set_label(str(record.meta.get("bunit_data", "")))
        if missing:
            axes.set_title(f"{title}\ngrey: no value ({missing:.1%})", fontsize=10)
    if catalog is not None:
        draw_sources(axes, catalog)
    if getattr(record, "wcs", None) is not None:
        draw_compass(axes, record.wcs, (ny, nx))
    axes.set_xlim(extent[0], extent[1])
    axes.set_ylim(extent[2], extent[3])
    return figure


def usable(record: Any, image: NDArray[Any]) -> Float:
    """Return the image with NaN where pixels are flagged DO_NOT_USE."""
    dq = getattr(record, "dq", None)
    values = np.array(image, np.float32)
    values[~np.isfinite(values)] = np.nan
    if dq is not None:
        values[(np.asarray(dq) & np.uint32(DQ.DO_NOT_USE)) != 0] = np.nan
    return values


def _is_dispersed(record: Any) -> bool:
    """Tell whether light of other wavelengths falls on other pixels."""
    return getattr(getattr(record, "wcs", None), "world_n_dim", None) == 3


def lit(image: NDArray[Any]) -> tuple[slice, slice]:
    """Return the rows and columns that have values, and a few around them.

    The spectrum of a slit fills a fiftieth of the detector.
    """
    found = []
    for axis, size in zip((1, 0), image.shape, strict=True):
        filled = np.flatnonzero(np.isfinite(image).any(axis=axis))
        first, last = (filled[0], filled[-1]) if filled.size else (0, size - 1)
        found.append(slice(max(0, int(first) - _AROUND), min(size, int(last) + 1 + _AROUND)))
    return found[0], found[1]


def shuffled(labels: NDArray[Any]) -> Float:
    """Return labels as numbers in 0 to 1 that differ between neighbours; 0 becomes NaN."""
    golden = 0.6180339887498949
    colour = np.asarray((labels * golden) % 1.0, np.float32)
    return np.where(labels == 0, np.float32(np.nan), colour)


def _map(name: str) -> Any:
    """Return a colour map that shows NaN in grey."""
    return colormaps[name].with_extremes(bad=NOT_A_VALUE)
