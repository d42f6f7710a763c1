"""What looks at a pixel's neighbours, in frames that are put together of stripes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from calcore.model import Meta, Ramp, Window
from calcore.model.stripes import Stripes
from calcore.parameters import Doc

Kernel = Callable[..., NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The parameter of steps that look at a pixel's neighbours."""

    stripes_apart: Annotated[
        bool,
        Doc(
            "Take each stripe of a multi-stripe sub-array on its own. The reference pipeline takes "
            "lines that are neighbours in the frame for neighbours on the detector."
        ),
    ] = False

    def on_stripes(self, kernel: Kernel, ramp: Ramp, *arrays: NDArray[Any]) -> NDArray[Any]:
        """Call a kernel on each part of a band whose pixels are neighbours, and join the results.

        Parameters
        ----------
        kernel : callable
            Called with the part, as an exposure of its own, and with arrays (…, ny, nx) cut to it;
            returns one such array.
        ramp : Ramp
            A band.
        *arrays : array
            As large as the band.
        """
        parts = list(parts_of(ramp, apart=self.stripes_apart))
        if not parts:
            return kernel(ramp, *arrays)
        out: NDArray[Any] | None = None
        for where, part in parts:
            made = kernel(part, *(np.ascontiguousarray(values[where]) for values in arrays))
            if out is None:
                out = np.empty((*made.shape[:-2], *ramp.data.shape[-2:]), made.dtype)
            out[where] = made
        assert out is not None
        return out


def windows_of(meta: Meta, frame: Window, *, apart: bool) -> Iterator[Window]:
    """Yield the parts of a frame whose pixels are neighbours; none if that is all of it.

    Each stripe if `apart`; otherwise each position of a super-stripe.
    """
    stripes = Stripes.of(meta)
    if stripes is not None and (apart or stripes.positions > 1):
        for lines in stripes.parts(apart=apart):
            yield stripes.window(lines, frame)


def parts_of(ramp: Ramp, *, apart: bool) -> Iterator[tuple[tuple[Any, ...], Ramp]]:
    """Yield what of a band lies in each part of the frame whose pixels are neighbours.

    Yields
    ------
    where : index
        Its place in the band's arrays.
    part : Ramp
        The part as an exposure of its own: its window is of the part alone, and if `apart` its
        metadata say where on the detector it lies.
    """
    band, stripes = ramp.frame, Stripes.of(ramp.meta)
    for whole in windows_of(ramp.meta, band, apart=apart):
        assert stripes is not None
        rows = max(band.row_start, whole.row_start), min(band.row_stop, whole.row_stop)
        columns = (
            max(band.column_start, whole.column_start),
            min(band.column_stop, whole.column_stop),
        )
        if rows[0] >= rows[1] or columns[0] >= columns[1]:
            continue
        here = Window(*rows, *columns, band.frame_rows, band.frame_columns)
        own = Window(
            rows[0] - whole.row_start, rows[1] - whole.row_start,
            columns[0] - whole.column_start, columns[1] - whole.column_start, *whole.shape,
        )  # fmt: skip
        meta = ramp.meta
        if apart:
            axis, line = ("y", whole.row_start) if stripes.along_rows else ("x", whole.column_start)
            meta = meta.set({f"subarray.{axis}start": int(stripes.lines[line]) + 1})
        yield (..., *here.within(band)), replace(ramp.view(here), window=own, meta=meta)
