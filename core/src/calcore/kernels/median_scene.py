"""What a time series shows in every integration: the scene, beside which noise stands out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ

Values = NDArray[np.float32]

_SPOILT = np.uint8(DQ.DO_NOT_USE | DQ.JUMP_DET | DQ.SATURATED)
_DARK, _NOT_HOT = 5.0, 99.9  # [percent] of pixels that are darker
_SIGMA_PER_MAD = 1.4826


@dataclass(frozen=True, eq=False)
class MedianScene:
    """The scene of a time series, whose source may vary.

    Attributes
    ----------
    rises : float32 (n_group, ny, nx)
        Median over integrations of each group's difference to the one before it [DN], of the source
        as bright as it usually is; 0 for the first group.
    source : float32 (ny, nx)
        What the source adds in the time of a group [DN].
    excess : float64 (n_int,)
        How much brighter than usual the source is in each integration, relative.
    """

    rises: Values
    source: Values
    excess: NDArray[np.float64]

    def difference(self, integration: int, earlier: int, later: int) -> Values:
        """Return the scene in the difference of two groups [DN]."""
        usual = self.rises[earlier + 1 : later + 1].sum(axis=0)
        extra = np.float32((later - earlier) * self.excess[integration])
        total: Values = usual + extra * self.source
        return total


@np.errstate(invalid="ignore", over="ignore")  # samples that are no number do not count
def median_scene(
    data: Values, groupdq: NDArray[np.uint8], rates: Values, group_time_s: float
) -> MedianScene:
    """Return the scene of a time series.

    Parameters
    ----------
    data : float32 (n_int, n_group, ny, nx)
        Signal [DN].
    groupdq : uint8 (n_int, n_group, ny, nx)
        Flags; samples with DO_NOT_USE, JUMP_DET or SATURATED do not count.
    rates : float32 (n_int, ny, nx)
        Count rates of the integrations [DN/s]; NaN where there is none.
    group_time_s : float
        Time between groups [s].

    Returns
    -------
    MedianScene
        A pixel that no integration knows has the scene 0.
    """
    source, excess = _variations(rates)
    source = source * np.float32(group_time_s)
    rises = np.zeros(data.shape[1:], np.float32)
    for group in range(1, data.shape[1]):
        difference = data[:, group] - data[:, group - 1]
        difference -= excess[:, None, None].astype(np.float32) * source
        spoilt = (groupdq[:, group] | groupdq[:, group - 1]) & _SPOILT != 0
        difference[spoilt] = np.nan
        rises[group] = _medians(difference)
    return MedianScene(rises, source, excess)


def _variations(rates: Values) -> tuple[Values, NDArray[np.float64]]:
    """Return the source's usual rate, and its relative excess in each integration.

    The excess is the slope of an integration's rates over the usual ones, which a level that
    changes leaves alone. It is 0 where the image shows no more structure than noise.
    """
    usual = _medians(rates)
    source = usual - np.float32(np.percentile(usual, _DARK))
    excess = np.zeros(len(rates))
    told = usual <= np.percentile(usual, _NOT_HOT)
    scatter = np.abs(rates - usual)[np.isfinite(rates)]
    if not scatter.size or usual[told].std() <= _SIGMA_PER_MAD * np.median(scatter):
        return np.zeros_like(source), excess
    for number, rate in enumerate(rates):
        known = told & np.isfinite(rate)
        if known.any():
            apart = usual[known].astype(np.float64)
            apart -= apart.mean()
            excess[number] = apart @ rate[known] / (apart @ apart) - 1
    return source, excess


def _medians(stack: Values) -> Values:
    """Return the median over the first axis of what is no NaN; 0 where nothing else is."""
    ranked = np.sort(stack, axis=0)  # NaN come last
    count = np.isfinite(ranked).sum(axis=0)
    low = np.take_along_axis(ranked, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
    high = np.take_along_axis(ranked, np.minimum(count // 2, len(ranked) - 1)[None], axis=0)[0]
    middle: Values = np.where(count > 0, (low + high) / 2, np.float32(0))
    return middle
