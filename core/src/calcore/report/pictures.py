"""Small pictures of an exposure on its way: raw, count rates, calibrated, combined."""

import io as streams
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray

from calcore import io
from calcore.flags import DQ
from calcore.io import files
from calcore.kernels.flag_counts import count_new_flags
from calcore.model import Catalog, Mosaic, Ramp
from calcore.report.alignment import RESIDUALS, alignment_figure
from calcore.report.quicklook import (
    NOT_A_VALUE,
    average_down,
    is_picture,
    shuffled,
    stretch_of,
    usable,
)
from calcore.report.spectra import is_spectral, spectral_figure
from calcore.report.weights import depth, depth_colours, is_deep, top_weight

_PIXELS = 420
"""Size of a small picture [pixel]."""
_QUALITY = 82
_DPI = 80


@dataclass(frozen=True)
class Look:
    """A small picture of a file, as the page shows it.

    Attributes
    ----------
    stage : str
        What the file holds: ``uncal``, ``rate`` …
    uri : str
        The picture itself, as a data URI.
    caption : str
        What the colours stand for.
    flags : tuple
        Flag and share of pixels, of each that there is.
    is_broad : bool
        Whether it has words in it, which want more room.
    """

    file: str
    stage: str
    uri: str
    width: int
    height: int
    caption: str
    flags: tuple[tuple[str, int, float], ...] = ()
    is_broad: bool = False


def looks(path: Path) -> list[Look]:
    """Return small pictures of a file; none if it is no image.

    Of a ramp it is the last group; a mosaic has its weight and its depth besides; of a table of
    residuals it is what `alignment_figure` draws, of cubes and spectra what `spectral_figure` does.

    Raises
    ------
    CalcoreError
        The file cannot be read.
    """
    suffix = files.suffix_of(path)
    if suffix == "uncal":
        ramp = io.open_lazy(path, Ramp)
        image = np.asarray(ramp.data[-1, -1], np.float32)
        n_group = ramp.data.shape[1]
        return [_look(path, "raw", image, f"DN, group {n_group} of {n_group}")]
    record: Any = io.open(path)
    if isinstance(record, Catalog) and path.name.endswith(RESIDUALS):
        figure = alignment_figure(record.table)
        told = "what is left between stars of aligned exposures"
        return [_drawn(path, "residuals", figure, told)]
    if is_spectral(record):
        return [_drawn(path, suffix, spectral_figure(record), "spectra, with their errors")]
    if not is_picture(record):
        return []
    if np.issubdtype(np.asarray(record.data).dtype, np.integer):
        return [_labels(path, suffix, np.asarray(record.data))]
    unit = str(record.meta.get("bunit_data") or "")
    dq = getattr(record, "dq", None)
    found = [_look(path, suffix, usable(record, record.data), unit, _flags(dq))]
    if isinstance(record, Mosaic) and is_deep(record):
        found += [_weight(path, record), _depth(path, record)]
    return found


def _weight(path: Path, mosaic: Mosaic) -> Look:
    factor = _factor(mosaic.wht.shape)
    weight = np.asarray(mosaic.wht[::factor, ::factor], np.float32)
    top = top_weight(weight)
    part = np.where(weight > 0, np.minimum(weight / np.float32(top), np.float32(1)), np.nan)
    return _encoded(path, "weight", colormaps["inferno"], part, f"0 to {top:.4g}")


def _depth(path: Path, mosaic: Mosaic) -> Look:
    factor = _factor(mosaic.wht.shape)
    count = depth(np.asarray(mosaic.con)[:, ::factor, ::factor])
    most = int(count.max())
    part = np.where(count > 0, (count - 0.5) / most, np.nan)
    caption = f"1 to {most} images" if most > 1 else "one image"
    return _encoded(path, "depth", depth_colours(most), part, caption)


def _drawn(path: Path, stage: str, figure: Figure, caption: str) -> Look:
    stream = streams.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI)
    width, height = (round(float(inches) * _DPI) for inches in figure.get_size_inches())
    uri = f"data:image/png;base64,{b64encode(stream.getvalue()).decode('ascii')}"
    return Look(path.name, stage, uri, width, height, caption, is_broad=True)


def _look(
    path: Path,
    stage: str,
    image: NDArray[np.float32],
    unit: str,
    flags: tuple[tuple[str, int, float], ...] = (),
) -> Look:
    shown = average_down(image, _factor(image.shape))
    stretch = stretch_of(shown)
    low, high = stretch.forward(stretch.low), stretch.forward(stretch.high)
    part = (stretch.forward(shown) - low) / (high - low)
    caption = f"{stretch.low:.5g} to {stretch.high:.5g} {unit}".rstrip()
    return _encoded(path, stage, colormaps["inferno"], part, caption, flags)


def _labels(path: Path, stage: str, labels: NDArray[Any]) -> Look:
    factor = _factor(labels.shape)
    part = shuffled(labels[::factor, ::factor])
    return _encoded(path, stage, colormaps["turbo"], part, f"{int(labels.max(initial=0))} sources")


def _encoded(
    path: Path,
    stage: str,
    colours: Any,
    part: NDArray[Any],
    caption: str,
    flags: tuple[tuple[str, int, float], ...] = (),
) -> Look:
    """Return the picture of values from 0 to 1 (ny, nx), the first row below."""
    colours = colours.with_extremes(bad=NOT_A_VALUE)
    pixels = colours(np.ma.masked_invalid(part)[::-1], bytes=True)
    stream = streams.BytesIO()
    imsave(stream, pixels, format="jpg", pil_kwargs={"quality": _QUALITY})
    uri = f"data:image/jpeg;base64,{b64encode(stream.getvalue()).decode('ascii')}"
    height, width = pixels.shape[:2]
    return Look(path.name, stage, uri, width, height, caption, flags)


def _factor(shape: tuple[int, ...]) -> int:
    return max(1, -(-max(shape) // _PIXELS))


def _flags(dq: Any) -> tuple[tuple[str, int, float], ...]:
    """Return how many pixels carry each flag, the most frequent first."""
    if dq is None:
        return ()
    values = np.asarray(dq)
    rows, columns = slice(0, values.shape[-2]), slice(0, values.shape[-1])
    counts = count_new_flags(np.zeros_like(values), values, rows, columns)
    found = [
        (DQ(1 << bit).name or str(bit), int(count), count / values.size)
        for bit, count in enumerate(counts)
        if count
    ]
    return tuple(sorted(found, key=lambda item: -item[1]))
