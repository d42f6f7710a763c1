"""What steps on whole frames may take of the machine."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.model import Group, Record
from calcore.model.layout import Plane, fields_of
from calcore.run.scratch import ScratchFile, ScratchPlane
from calcore.step import Room

_ROWS = 32
_STRIP = 64
"""Rows of kept planes that lie together."""
_COPIES = 3
"""Memory that a set takes over that of its planes: changed ones, images on a common grid, and work."""


@dataclass(frozen=True)
class RunnersRoom(Room):
    """The threads of a run, and memory for planes up to a size; larger ones lie in scratch files.

    Attributes
    ----------
    budget : int
        That size [byte].
    crowded : bool
        Whether what is kept of each exposure of a set lies in a scratch file.
    """

    budget: int = 1 << 30
    crowded: bool = False

    @cached_property
    def _file(self) -> ScratchFile:
        return ScratchFile()

    def plane(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return an empty plane, in memory or in a file."""
        kind = np.dtype(dtype)
        if math.prod(shape) * kind.itemsize <= self.budget:
            return np.empty(shape, kind)
        return ScratchPlane(shape, kind).lay_out(_ROWS)

    def kept(self, plane: NDArray[Any]) -> Any:
        """Return a plane itself, or as it lies in a file."""
        return ScratchPlane.of(plane, self._file, _STRIP) if self.crowded else plane


def is_crowded(flow: Any, memory_budget: int) -> bool:
    """Tell whether a set of exposures would take more memory than there is, were all of them read."""
    if not isinstance(flow, Group):
        return False
    return _COPIES * sum(map(_size, flow.members)) > memory_budget


def _size(record: Any) -> int:
    """Return how much memory the planes of a record take once they are read [byte]."""
    kind: Any = type(record)
    names = fields_of(kind, Plane) if isinstance(record, Record) else ()
    planes = (getattr(record, name) for name in names)
    return sum(math.prod(p.shape) * p.dtype.itemsize for p in planes if p is not None)


def settled(flow: Any, room: RunnersRoom) -> Any:
    """Return a set of exposures with all planes read, unless there is no room for them."""
    if not isinstance(flow, Group) or room.crowded:
        return flow
    return flow.with_members(list(room.ahead(lambda member: member.loaded(), flow.members)))
