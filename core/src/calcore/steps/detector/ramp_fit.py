"""Fit ramps: from groups to count rates."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, tee
from typing import Annotated, Literal

import numpy as np

from calcore.errors import BadParameter, DataUnusable
from calcore.model import Meta, Ramp, Reference, Window
from calcore.model.reference import Gain, ReadNoise
from calcore.model.usable_groups import Span, opening_rows, used_span, widened
from calcore.parameters import Doc, Range, Unit
from calcore.step import Rows, Step
from calcore.steps._ramp_fit import WORKS, Known, Method, RampFitResult, fitted
from calcore.steps._reset_level import reset_level

_RAMPS = 100_000  # so many of a part tell the level of a reset, bad ones among them


@dataclass(frozen=True, kw_only=True)
class RampFit(Step):
    """Fit a straight line to every unbroken part of a ramp, and average the parts.

    An integration without a good part is NaN, DO_NOT_USE. Errors are those of photons and reads.
    """

    required = frozenset({"gain", "readnoise"})
    cites = WORKS

    algorithm: Annotated[
        Literal["OLS_C", "LIKELY"],
        Doc("Weighted least squares of the samples, or greatest likelihood of their differences."),
    ] = "OLS_C"
    joint: Annotated[
        bool,
        Doc(
            "With LIKELY, fit all integrations together, jumps as they are flagged, errors those of the "
            "fitted rate; else fit each, look for jumps, and average."
        ),
    ] = False
    suppress_one_group: Annotated[
        bool, Doc("Give no rate to an integration that has one good group.")
    ] = True
    save_opt: Annotated[
        bool,
        Doc("Save what each part of a ramp gave (fitopt), or chi square (LIKELY, not joint)."),
    ] = False
    firstgroup: Annotated[int | None, Doc("First group to fit, counted from 0.")] = None
    lastgroup: Annotated[int | None, Range(0), Doc("Last group to fit, counted from 0.")] = None
    reset_prior: Annotated[
        int,
        Range(0),
        Doc(
            "Take the level after a reset as known, with its noise, for ramps of up to so many good "
            "groups, or of their first read alone; needs the bias subtracted. 0: for none."
        ),
    ] = 0
    reset_noise: Annotated[
        float,
        Range(0),
        Unit("electron"),
        Doc("Noise of that level where an exposure's own ramps are too short to show it."),
    ] = 28.0
    trim: Annotated[
        Literal["none", "frame", "pixel"],
        Doc("Take unusable groups at either end away: never, where all pixels lost them, or each."),
    ] = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.save_opt and self.joint and self.algorithm == "LIKELY":
            raise BadParameter(
                "ramp_fit.save_opt: a fit of all integrations together has nothing more to save; set joint "
                "to false for chi square, or algorithm to OLS_C for what each part of a ramp gave"
            )

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows | None:
        """Every pixel is on its own; how many parts ramps have is known of the whole frame only."""
        del meta, references
        return None if self.save_opt else Rows()

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """Read rows until some pixel has groups to fit; some everywhere for the reset level."""
        if not self.reset_prior > 0:
            return islice(opening_rows(frame), 1, None)  # whole rows
        rows = min(8, -(-_RAMPS // (meta.n_integrations * frame.frame_columns)))
        starts = range(0, frame.frame_rows, max(frame.frame_rows // 8, 8))
        return tuple(frame.with_rows(row, min(row + rows, frame.frame_rows)) for row in starts)

    def prepare(
        self, meta: Meta, parts: Iterator[Ramp], *, gain: Gain, readnoise: ReadNoise
    ) -> Known:
        """Find the groups at either end that every pixel has lost, in all likelihood."""
        span, level = Span(0, None), None
        if self.reset_prior > 0:
            again = parts
            if self.trim == "frame":  # which looks at a part or two; all would be kept for it
                parts, again = tee(parts)
            level = reset_level(again, gain, readnoise, self.reset_noise)
        if self.trim == "frame":
            span = used_span(parts, enough=2)
            if meta.n_groups > 1 and span.length < 2:
                raise DataUnusable(
                    f"{span.length} groups are left after those that every pixel has lost; a rate "
                    'needs 2: set trim to "none", or keep more groups'
                )
        return Known(span, level)

    def revised(self, prepared: Known, part: Ramp) -> Known:
        """Take in the groups that some pixel of a band has."""
        if prepared.span.end is None:
            return prepared
        span = widened(prepared.span, part)
        return prepared if span is prepared.span else replace(prepared, span=span)

    def apply(self, ramp: Ramp, *, gain: Gain, readnoise: ReadNoise, known: Known) -> RampFitResult:
        """Return rates [DN/s]."""
        method = Method(
            likely=self.algorithm == "LIKELY",
            joint=self.joint,
            suppress_one_group=self.suppress_one_group,
            used=self._used(ramp.data.shape[1]),
            trim_each=self.trim == "pixel",
            anchored=self.reset_prior,
            kept=self.save_opt,
        )
        return fitted(ramp, gain.data, readnoise.data, known, method)

    def _used(self, n_group: int) -> tuple[int, int]:
        """Return first and last group to fit; limits that leave nothing are no limits."""
        first = max(self.firstgroup or 0, 0)
        last = n_group - 1 if self.lastgroup is None else min(self.lastgroup, n_group - 1)
        return (first, last) if first < last else (0, n_group - 1)

    def tally(self, result: RampFitResult) -> Mapping[str, int]:
        """Count pixels that have a rate."""
        return {"pixels": int(np.isfinite(result.rate.data).sum())}

    def header(self, meta: Meta, tally: Mapping[str, int]) -> Meta:
        """Refuse a frame in which no pixel has a rate."""
        if not tally.get("pixels", 0):
            raise DataUnusable(
                "no pixel has a count rate: every ramp is saturated from its first group on, flagged, or "
                "no number; look at GROUPDQ and PIXELDQ, or set ramp_fit.suppress_one_group to false"
            )
        return meta
