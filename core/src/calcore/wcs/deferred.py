"""World coordinates that are made into the form libraries have only when somebody asks for it."""

import io
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from calcore.wcs.plain_asdf import dumps, loads


class DeferredWcs(ABC):
    """World coordinates with a quick way of their own for whole frames.

    A gWCS of hundreds of small models takes longer to make than frames take to map.
    """

    world_n_dim: ClassVar[int]
    """How many numbers a pixel leads to, as gWCS calls it."""

    @property
    @abstractmethod
    def tree(self) -> Mapping[str, Any]:
        """The gWCS as files have it: see `plain_asdf`."""

    @cached_property
    def wcs(self) -> Any:
        """The same as a `gwcs.WCS`, for points."""
        import asdf  # noqa: PLC0415 - slow to import, and hardly ever needed

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with asdf.open(io.BytesIO(dumps({"wcs": self.tree})), lazy_load=False) as file:
                return file["wcs"]

    def __call__(self, *pixels: Any, **settings: Any) -> Any:
        """Return what the gWCS does."""
        return self.wcs(*pixels, **settings)

    def invert(self, *places: Any, **settings: Any) -> Any:
        """Return what its inverse does."""
        return self.wcs.invert(*places, **settings)


def as_tree(wcs: Any) -> Any:
    """Return a gWCS as files have it."""
    import asdf  # noqa: PLC0415 - slow to import, and hardly ever needed

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asdf.AsdfFile({"wcs": wcs}).write_to(buffer)
    return loads(buffer.getvalue())["wcs"]
