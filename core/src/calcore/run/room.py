"""What steps on whole frames may take of the machine."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.run.scratch import ScratchFile, ScratchPlane
from calcore.step import Room

_ROWS = 32
_STRIP = 64
"""Rows of kept planes that lie together."""


@dataclass(frozen=True)
class RunnersRoom(Room):
    """The threads of a run, and memory for planes up to a size; larger ones lie in scratch files.

    So does what is kept of each exposure of a set, of which there may be any number.

    Attributes
    ----------
    budget : int
        That size [byte].
    """

    budget: int = 1 << 30

    @cached_property
    def _file(self) -> ScratchFile:
        return ScratchFile()

    def plane(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return an empty plane, in memory or in a file."""
        kind = np.dtype(dtype)
        if math.prod(shape) * kind.itemsize <= self.budget:
            return np.empty(shape, kind)
        return ScratchPlane(shape, kind).lay_out(_ROWS)

    def kept(self, plane: NDArray[Any]) -> ScratchPlane:
        """Return a plane as it lies in a file."""
        return ScratchPlane.of(plane, self._file, _STRIP)
