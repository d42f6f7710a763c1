"""World coordinates that are made into the form files have only when one is written."""

from abc import ABC, abstractmethod
from typing import Any


class DeferredWcs(ABC):
    """World coordinates with a quick way of their own for whole frames.

    A gWCS of hundreds of small models takes longer to make than frames take to map.
    """

    @property
    @abstractmethod
    def wcs(self) -> Any:
        """The same as a `gwcs.WCS`, for files and for points."""
