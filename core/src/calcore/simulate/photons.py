"""How many electrons there are where a mean is expected."""

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
LARGE_COUNT = 1e5
"""Mean above which a Poisson number is drawn as a normal one [electron]: the difference is far
below the rounding of the converter."""


def arrivals(rng: np.random.Generator, mean: NDArray[np.floating], noise: bool) -> Float32:
    """Return numbers of electrons with these means; exact means where `noise` is off."""
    if not noise:
        return mean.astype(np.float32)
    many = mean > LARGE_COUNT
    if not many.any():
        return rng.poisson(mean).astype(np.float32)
    counts = rng.poisson(np.where(many, 0, mean)).astype(np.float32)
    bright = mean[many]
    counts[many] = bright + np.sqrt(bright) * rng.standard_normal(bright.shape)
    return counts
