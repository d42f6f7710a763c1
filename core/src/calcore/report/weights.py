"""A picture of how much each pixel of a mosaic was seen: its weight, and how many images it is made of."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from calcore.model import Mosaic
from calcore.report.quicklook import NOT_A_VALUE

_PIXELS = 700
"""Size that mosaics are reduced to [pixel]."""
_TICKS = 12
_UNITS = {"exptime": "s", "ivm": "1 / ({unit})²"}
"""Unit of a weight, by its type."""


def weight_figure(mosaic: Mosaic, title: str = "") -> Figure:
    """Draw the weight and the depth of a mosaic, side by side; the weight alone without context."""
    ny, nx = mosaic.wht.shape
    factor = max(1, -(-max(ny, nx) // _PIXELS))
    weight = np.asarray(mosaic.wht[::factor, ::factor])
    context = None if mosaic.con is None else mosaic.con[:, ::factor, ::factor]
    panels = 1 if context is None else 2
    height = min(max(5.6 * ny / nx + 1.9, 3.4), 9.0)
    figure = Figure(figsize=(6.4 * panels, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots(1, panels, squeeze=False, sharex=True, sharey=True)[0]
    options: dict[str, Any] = {
        "origin": "lower", "interpolation": "nearest", "extent": (-0.5, nx - 0.5, -0.5, ny - 0.5)
    }  # fmt: skip
    colours = colormaps["inferno"].with_extremes(under=NOT_A_VALUE)
    least = np.nextafter(np.float32(0), np.float32(1))
    drawn = axes[0].imshow(
        weight, cmap=colours, vmin=least, vmax=top_weight(weight), **options
    )  # fmt: skip
    below: dict[str, Any] = {"location": "bottom", "aspect": 40, "shrink": 0.9}
    figure.colorbar(drawn, ax=axes[0], extend="max", label=_label(mosaic), **below)
    empty = float(np.mean(weight == 0))
    axes[0].set_title("weight" + (f" (grey: {empty:.1%} without)" if empty else ""), fontsize=9)
    if context is not None:
        count = depth(context)
        most = int(count.max(initial=1))
        norm = BoundaryNorm(np.arange(0.5, most + 1), most)
        drawn = axes[1].imshow(count, cmap=depth_colours(most), norm=norm, **options)
        ticks = np.unique(np.linspace(1, most, min(most, _TICKS)).round())
        bar = figure.colorbar(drawn, ax=axes[1], ticks=ticks, label="images", **below)
        bar.minorticks_off()
        axes[1].set_title("images that contributed", fontsize=9)
    axes[0].set_ylabel("y [pixel]")
    for panel in axes:
        panel.set_xlabel("x [pixel]")
    return figure


def is_deep(mosaic: Mosaic) -> bool:
    """Tell whether a mosaic is made of several images, as its context image says."""
    return mosaic.con is not None and bool(np.any(mosaic.con & ~np.int32(1)))


def depth(context: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return how many images contributed to each pixel, (ny, nx).

    Parameters
    ----------
    context : int32 (n_plane, ny, nx)
        One bit for each image, 32 to a plane.
    """
    bits = context.astype(np.uint32)
    count = np.zeros(context.shape[1:], np.int32)
    for bit in range(32):
        count += ((bits >> np.uint32(bit)) & np.uint32(1)).sum(axis=0, dtype=np.int32)
    return count


def depth_colours(most: int) -> Colormap:
    """Return colours for 0 (grey), 1, 2 … and the most images of a mosaic."""
    colours = colormaps["viridis"].resampled(max(most, 1))
    return colours.with_extremes(under=NOT_A_VALUE)


def top_weight(weight: NDArray[np.float32]) -> float:
    """Return the weight that is drawn brightest: hardly any is larger."""
    seen = weight[weight > 0]
    return float(np.percentile(seen, 99.5)) if seen.size else 1.0


def _label(mosaic: Mosaic) -> str:
    """Return what the weight is, with its unit."""
    kind = str(mosaic.meta.get("resample.weight_type") or "")
    unit = _UNITS.get(kind, "").format(unit=mosaic.meta.get("bunit_data") or "DN/s")
    return f"sum of weights [{unit}]" if unit else "sum of weights"
