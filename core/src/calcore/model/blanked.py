"""Planes of which some pixels have been taken away, without a copy of all others."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.model.exposure import Image

Exposure = TypeVar("Exposure", bound=Image)


def _as_it_is(plane: NDArray[Any]) -> Any:
    return plane


def with_flags(
    image: Exposure, dq: NDArray[np.uint32], kept: Callable[[NDArray[Any]], Any] = _as_it_is
) -> Exposure:
    """Return an image with other flags, and NaN in all planes where these say DO_NOT_USE.

    Planes in a file stay there: what is read of them later is blanked then. What is needed for that is
    `kept` as the flags are.
    """
    harmed = (dq & np.uint32(DQ.DO_NOT_USE)) != 0
    taken, planes = harmed if image.in_memory else kept(harmed), dict[str, Any]()
    for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat"):
        plane = getattr(image, name)
        if isinstance(plane, np.ndarray):
            planes[name] = Blanked(plane, harmed)[...]
        elif plane is not None:
            planes[name] = Blanked(plane, taken)
    return image.replace(dq=kept(dq), **planes)


@dataclass(frozen=True, eq=False)
class Blanked:
    """A plane that is NaN where flags say so, worked out where it is indexed.

    Attributes
    ----------
    plane : float32 (ny, nx)
        May lie in a file, as may what follows.
    harmed : bool (ny, nx)
        True where a pixel is NaN.
    """

    plane: Any
    harmed: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        shape: tuple[int, ...] = self.plane.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        dtype: np.dtype[Any] = self.plane.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[Any]:
        values: NDArray[Any] = np.asarray(self.plane[index])
        if isinstance(self.plane, np.ndarray) or not values.flags.writeable:  # somebody else's
            values = values.copy()
        np.copyto(values, np.nan, where=np.asarray(self.harmed[index]))
        return values

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a blanked plane cannot be an array without being copied")
        return self[...].astype(dtype or self.dtype, copy=False)
