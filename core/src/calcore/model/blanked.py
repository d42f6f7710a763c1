"""Planes of which some pixels have been taken away, without a copy of all others."""

from dataclasses import dataclass
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.model.exposure import Image

Exposure = TypeVar("Exposure", bound=Image)


def with_flags(image: Exposure, dq: Any) -> Exposure:
    """Return an image with other flags, and NaN in all planes where these say DO_NOT_USE.

    Planes in a file stay there: what is read of them later is blanked then.
    """
    planes: dict[str, Any] = {}
    for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat"):
        if (plane := getattr(image, name)) is not None:
            blanked = Blanked(plane, dq, DQ.DO_NOT_USE)
            planes[name] = blanked[...] if isinstance(plane, np.ndarray) else blanked
    return image.replace(dq=dq, **planes)


@dataclass(frozen=True, eq=False)
class Blanked:
    """A plane that is NaN where flags say so, worked out where it is indexed.

    Attributes
    ----------
    plane : float32 (ny, nx)
        May lie in a file, as may the flags.
    dq : uint32 (ny, nx)
        Flags.
    harm : int
        Those that make a pixel NaN.
    """

    plane: Any
    dq: Any
    harm: int

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
        harmed = (np.asarray(self.dq[index]) & np.uint32(self.harm)) != 0
        values: NDArray[Any] = np.where(harmed, self.dtype.type(np.nan), self.plane[index])
        return values

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a blanked plane cannot be an array without being copied")
        return self[...].astype(dtype or self.dtype, copy=False)
