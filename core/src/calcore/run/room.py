"""What steps on whole frames may take of the machine."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcore.run.scratch import ScratchPlane
from calcore.step import Room

_ROWS = 32


@dataclass(frozen=True)
class RunnersRoom(Room):
    """The threads of a run, and memory for planes up to a size; larger ones lie in scratch files.

    Attributes
    ----------
    budget : int
        That size [byte].
    """

    budget: int = 1 << 30

    def plane(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return an empty plane, in memory or in a file."""
        kind = np.dtype(dtype)
        if math.prod(shape) * kind.itemsize <= self.budget:
            return np.empty(shape, kind)
        return ScratchPlane(shape, kind).lay_out(_ROWS)
