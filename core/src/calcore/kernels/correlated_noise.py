"""Noise that neighbouring pixels of a mosaic share.

Drizzling lays each input pixel over several output pixels, so that their noise is correlated: pixels
scatter less than the noise of large areas would let expect (Casertano et al. 2000, AJ 120, 2747,
appendix A; Fruchter & Hook 2002, PASP 114, 144, section 7). How much less is measured here from the
weights with which input pixels contribute, and what it makes of a sum over an aperture is found by
the correlation of square drops that scatter as little.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.optimize import brentq

from calcore.kernels._jit import F8x1, F8x2, kernel

F8 = NDArray[np.float64]
_NARROW, _WIDE = 0.02, 50.0


@dataclass(frozen=True)
class Correlation:
    """How the noise of a mosaic's pixels is correlated.

    Attributes
    ----------
    ratio : float
        Noise of a large area over what it were if pixels that scatter as much were independent;
        1 or more.
    scale : float
        Noise of a large area over what its pixels' errors make of it if they are taken as
        independent.
    """

    ratio: float
    scale: float = 1.0

    @classmethod
    def of_drops(cls, pixfrac: float, pixel_scale_ratio: float) -> "Correlation":
        """Return what is expected of square drops that lie at any phase.

        Parameters
        ----------
        pixfrac : float
            Side of the drop over that of its pixel.
        pixel_scale_ratio : float
            Linear size of an output pixel over that of an input pixel.
        """
        return cls(_ratio(min(max(pixfrac / pixel_scale_ratio, _NARROW), _WIDE)))

    @property
    def width(self) -> float:
        """Side of the square drops that give this ratio [output pixel]."""
        if self.ratio <= _ratio(_NARROW):
            return _NARROW
        return float(brentq(lambda width: _ratio(width) - self.ratio, _NARROW, _WIDE))

    def profile(self) -> F8:
        """Return the covariance of pixels along one axis over that of a large area.

        Returns
        -------
        float64 (2 n + 1,)
            By distance, from -n to n pixels; the sum is 1.
        """
        reach = math.ceil(self.width)
        return np.array([_covariance(lag, self.width) for lag in range(-reach, reach + 1)])

    def of_sum(self, noise: F8, profile: F8) -> float:
        """Return the standard deviation of a sum over pixels.

        Parameters
        ----------
        noise : float64 (ny, nx)
            Error of each pixel times the factor it enters the sum with; 0 outside.
        profile : float64 (n,)
            What `profile` returns.
        """
        return self.scale * math.sqrt(_variance(np.ascontiguousarray(noise, np.float64), profile))

    def of_area(self, pixels: F8) -> F8:
        """Return the noise of compact areas over what their pixels' errors make of it.

        Parameters
        ----------
        pixels : float64 (n,)
            Number of pixels of each area, which is taken for a square: one large pixel.
        """
        side = np.sqrt(np.maximum(pixels, 1.0))
        return np.array([self.scale / _ratio(max(self.width / s, 1e-6)) for s in side.tolist()])


@kernel
def _variance(noise: F8x2, profile: F8x1) -> float:
    rows, columns = noise.shape
    half = profile.size // 2
    total = 0.0
    for j in range(rows):
        for i in range(columns):
            if noise[j, i] == 0.0:
                continue
            for y in range(max(j - half, 0), min(j + half + 1, rows)):
                for x in range(max(i - half, 0), min(i + half + 1, columns)):
                    shared = profile[y - j + half] * profile[x - i + half]
                    total += shared * noise[j, i] * noise[y, x]
    return total


def _ratio(width: float) -> float:
    """Return the ratio of noise for drops of some side (Fruchter & Hook 2002, equation 10)."""
    return 1 / (1 - width / 3) if width <= 1 else width / (1 - 1 / (3 * width))


def _covariance(lag: float, width: float) -> float:
    """Return the covariance of pixels at a distance, averaged over all phases of the drops.

    Drop and pixel overlap by the convolution of two boxes; the covariance is its autocorrelation,
    a second difference for each box of the cubic that they are derivatives of.
    """
    factors = ((-1, 1), (0, -2), (1, 1))
    total = sum(a * b * abs(lag + i + j * width) ** 3 for i, a in factors for j, b in factors)
    return total / (12 * width * width)


def measured(
    contributions: Sequence[F8], noise: Sequence[float], reported: F8, reach: int
) -> Correlation | None:
    """Measure the correlation of noise from what single pixels contribute to a mosaic.

    Parameters
    ----------
    contributions : sequence of float64 (n_class, ny, nx)
        For each exposure, by what weight pixels contribute to the pixels of a mosaic, in classes
        of pixels so far apart that no two contribute to places within `reach` of each other.
    noise : sequence of float
        Standard deviation of each exposure's pixels.
    reported : float64 (ny, nx)
        Variance that the mosaic's errors stand for.
    reach : int
        Distance to which pixels are correlated [pixel].

    Returns
    -------
    Correlation or None
        Averages over all places at least `reach` from the edges; None if nothing fell there.
    """
    weight = np.sum([part.sum(axis=0) for part in contributions], axis=0)
    inner = tuple(slice(reach, n - reach) for n in weight.shape)
    counted = (weight[inner] > 0) & (reported[inner] > 0)
    if not counted.any():
        return None
    alone = large = 0.0
    for sigma, part in zip(noise, contributions, strict=True):
        for one in part:
            share = sigma * np.divide(one, weight, out=np.zeros_like(one), where=weight > 0)
            # Of a pixel with all pixels within reach, those that share input pixels with it.
            around = uniform_filter(share, 2 * reach + 1, mode="constant") * (2 * reach + 1) ** 2
            alone += float(np.sum(share[inner][counted] ** 2))
            large += float(np.sum((share * around)[inner][counted]))
    expected = float(np.sum(reported[inner][counted]))
    return Correlation(max(math.sqrt(large / alone), 1.0), math.sqrt(large / expected))
