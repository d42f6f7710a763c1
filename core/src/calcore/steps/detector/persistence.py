"""Flag samples of pixels that may still glow from an earlier exposure or group."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter, KeywordInvalid
from calcore.flags import DQ
from calcore.kernels.persistence import flag_persistence
from calcore.model import Meta, Ramp, Reference
from calcore.model.windows import Windows
from calcore.parameters import Doc, Range, Unit
from calcore.step import Rows, State, Step

UNIX_EPOCH_MJD = 40587.0
DAY_S = 86400.0


@dataclass(frozen=True)
class PersistenceResult:
    """Ramps with flags, and windows that are open when the exposure ends."""

    ramp: Ramp
    windows: Windows


@dataclass(frozen=True, kw_only=True)
class Persistence(Step):
    """Flag samples that follow, for some time, a saturated or bright one of the same pixel.

    Charge that is trapped while a pixel is bright is released in later integrations and exposures
    (Leisenring et al. 2016, Proc. SPIE 9915, 99152N). What is released is not estimated: a window
    of time opens, in which samples are PERSISTENCE. Windows that are open when an exposure ends are
    kept for the next one of the detector.
    """

    cites = ("Leisenring et al. 2016, Proc. SPIE 9915, 99152N",)

    persistence_time: Annotated[
        float | None, Range(1, 1e8), Unit("s"), Doc("How long a pixel's samples are flagged.")
    ] = None
    dn_threshold: Annotated[
        float | None, Unit("DN"), Doc("Signal that opens a window too; none by default.")
    ] = None
    persistence_dnu: Annotated[
        bool, Doc("Flag samples within windows DO_NOT_USE too, so that no rate is made of them.")
    ] = False

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Each pixel is looked at on its own."""
        del meta, references
        return Rows(halo=0)

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Refuse to work without a length of windows, or a time to begin with."""
        del references
        if self.persistence_time is None:
            raise BadParameter(
                "persistence.persistence_time is None, and there is no usual value; say for how "
                "many seconds pixels are to be flagged, such as persistence.persistence_time=1000, "
                "or skip the step"
            )
        start = meta.number("exposure.start_time")
        if not math.isfinite(start):
            raise KeywordInvalid("exposure.start_time", start, "a date (MJD)")

    def apply(self, ramp: Ramp, *, windows: State[Windows] = None) -> PersistenceResult:
        """Go through the exposure's groups in the order of time."""
        seconds = self.persistence_time
        assert seconds is not None
        if windows is None:
            ends = np.zeros(ramp.data.shape[-2:])
        else:  # of another length, maybe
            ends = np.where(windows.ends == 0, 0, windows.ends + (seconds - windows.seconds))
        flag = DQ.PERSISTENCE | (DQ.DO_NOT_USE if self.persistence_dnu else 0)
        groupdq, ends = flag_persistence(
            ramp.data,
            ramp.groupdq,
            group_times(ramp),
            ends,
            seconds,
            math.inf if self.dn_threshold is None else self.dn_threshold,
            int(flag),
        )
        kept = Windows(meta=ramp.meta, window=ramp.window, ends=ends, seconds=seconds)
        return PersistenceResult(ramp.replace(groupdq=groupdq), kept)


def group_times(ramp: Ramp) -> NDArray[np.float64]:
    """Return when groups end, in seconds since 1970 UTC (n_int, n_group).

    Integrations begin when INT_TIMES says, or else follow one another without a pause.
    """
    meta = ramp.meta
    n_int, n_group = ramp.data.shape[:2]
    first = meta.first_integration
    begin = (_listed_starts(ramp, first) - UNIX_EPOCH_MJD) * DAY_S
    for i in np.flatnonzero(np.isnan(begin)):
        begin[i] = (meta.number("exposure.start_time") - UNIX_EPOCH_MJD) * DAY_S
        if i + first > 1:
            begin[i] += (i + first - 1) * meta.number("exposure.integration_time")
    steps = np.full((n_int, n_group + 1), meta.group_time_s)
    steps[:, 0] = begin
    return np.ascontiguousarray(np.cumsum(steps, axis=1)[:, 1:])


def _listed_starts(ramp: Ramp, first: int) -> NDArray[np.float64]:
    """Return when integrations begin by INT_TIMES [MJD]; NaN where it does not say."""
    starts = np.full(ramp.data.shape[0], np.nan)
    if ramp.int_times is not None and {"integration_number", "int_start_MJD_UTC"} <= set(
        ramp.int_times.dtype.names or ()
    ):
        for row in ramp.int_times:
            place = int(row["integration_number"]) - first
            start = float(row["int_start_MJD_UTC"])
            if 0 <= place < len(starts) and 0 < start < math.inf:
                starts[place] = start
    return starts
