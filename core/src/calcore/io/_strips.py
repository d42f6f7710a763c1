"""Narrow strips of references, remembered for the exposures that follow.

Reference pixels at the ends of rows are corrected by dark, reset and the like before they tell drifts.
To read a few columns takes as long as to read the frame, and the next exposure of the detector asks for
the same ones.
"""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.io._section import Section

_NARROW = 32
"""Rows are at least so many times as long as a strip."""
_MOST = 1 << 23
"""What strips take in memory, all together [byte]."""


class _Strips:
    """Arrays by what they are of; the one that was asked for longest ago is forgotten first."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[Any, ...], NDArray[Any]] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple[Any, ...]) -> NDArray[Any] | None:
        """Return an array, if it is there."""
        with self._lock:
            found = self._arrays.pop(key, None)
            if found is not None:
                self._arrays[key] = found
        return found

    def keep(self, key: tuple[Any, ...], strip: NDArray[Any]) -> None:
        """Remember an array."""
        with self._lock:
            self._arrays[key] = strip
            while sum(known.nbytes for known in self._arrays.values()) > _MOST:
                del self._arrays[next(iter(self._arrays))]


_STRIPS = _Strips()


class SharedSection(Section):
    """A section of a file that one exposure after another needs: narrow strips are read but once.

    They are read again when the file has changed.
    """

    def _values(self, bounds: list[tuple[int, int]]) -> NDArray[Any]:
        state, width = self._source.state, self._stored_shape[-1]
        if not state or self._content is not None or np.ptp(bounds[-1]) * _NARROW > width:
            return super()._values(bounds)
        key = (*state, self._offset, self.dtype, self._origin, *bounds)
        strip = _STRIPS.get(key)
        if strip is None:
            strip = super()._values(bounds)
            strip.flags.writeable = False
            _STRIPS.keep(key, strip)
        return strip
