"""Small pictures of an exposure on its way: raw, count rates, calibrated, combined."""

import io as streams
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.image import imsave
from numpy.typing import NDArray

from calcore import io
from calcore.flags import DQ
from calcore.io import files
from calcore.kernels.flag_counts import count_new_flags
from calcore.model import Ramp
from calcore.report.quicklook import (
    NOT_A_VALUE,
    average_down,
    is_picture,
    shuffled,
    stretch_of,
    usable,
)

_PIXELS = 420
"""Size of a small picture [pixel]."""
_QUALITY = 82


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
    """

    file: str
    stage: str
    uri: str
    width: int
    height: int
    caption: str
    flags: tuple[tuple[str, int, float], ...] = ()


def look(path: Path) -> Look | None:
    """Return a small picture of a file; of a ramp its last group. None if it is no image.

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
        return _look(path, "raw", image, f"DN, group {n_group} of {n_group}")
    record: Any = io.open(path)
    if not is_picture(record):
        return None
    if np.issubdtype(np.asarray(record.data).dtype, np.integer):
        labels = np.asarray(record.data)
        return _labels(path, suffix, labels)
    unit = str(record.meta.get("bunit_data") or "")
    dq = getattr(record, "dq", None)
    return _look(path, suffix, usable(record, record.data), unit, _flags(dq))


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
