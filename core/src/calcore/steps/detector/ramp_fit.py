"""Fit ramps: from groups to count rates."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from calcore.errors import DataUnusable
from calcore.kernels.ramp_fit_differences import fit_each
from calcore.kernels.ramp_fit_likelihood import refine
from calcore.kernels.ramp_fit_ols import fit_ordinary
from calcore.model import Meta, Ramp, Reference, Window
from calcore.model.reference import Gain, ReadNoise
from calcore.model.usable_groups import Span, used_span, widened
from calcore.parameters import Doc, Range
from calcore.step import Rows, Step
from calcore.steps._ramp_fit import RampFitResult, products

_LEAST = 4  # groups that LIKELY needs to look for jumps


@dataclass(frozen=True, kw_only=True)
class RampFit(Step):
    """Fit a straight line to every unbroken part of a ramp, and average the parts.

    An integration without a good part has no rate: NaN, and DO_NOT_USE. Errors are those of photons
    and read noise together.
    """

    required = frozenset({"gain", "readnoise"})

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
        bool, Doc("Save what each part of a ramp gave, or chi square of LIKELY.")
    ] = False
    firstgroup: Annotated[int | None, Doc("First group to fit, counted from 0.")] = None
    lastgroup: Annotated[int | None, Range(0), Doc("Last group to fit, counted from 0.")] = None
    trim: Annotated[
        Literal["none", "frame", "pixel"],
        Doc("Take unusable groups at either end away: never, where all pixels lost them, or each."),
    ] = "none"

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """Read rows until some pixel has groups to fit."""
        del meta
        starts = range(0, frame.frame_rows, 32)
        return (frame.with_rows(row, min(row + 32, frame.frame_rows)) for row in starts)

    def prepare(self, meta: Meta, parts: Iterator[Ramp]) -> Span:
        """Find the groups at either end that every pixel has lost, in all likelihood."""
        if self.trim != "frame":
            return Span(0, None)
        span = used_span(parts, enough=2)
        if meta.n_groups > 1 and span.length < 2:
            raise DataUnusable(
                f"{span.length} groups are left after those that every pixel has lost; a rate "
                'needs 2: set trim to "none", or keep more groups'
            )
        return span

    def revised(self, prepared: Span, part: Ramp) -> Span:
        """Take in the groups that some pixel of a band has."""
        return prepared if prepared.end is None else widened(prepared, part)

    def apply(self, ramp: Ramp, *, gain: Gain, readnoise: ReadNoise, span: Span) -> RampFitResult:
        """Return rates [DN/s]."""
        data, groupdq, used = ramp.data, ramp.groupdq, self._used(ramp.data.shape[1])
        noise, dark = readnoise.data, ramp.average_dark_current
        times: dict[str, Any] = {
            "group_time_s": ramp.meta.group_time_s,
            "frame_time_s": ramp.meta.frame_time_s,
            "n_frames": ramp.meta.frames_per_group,
        }
        likely = self.algorithm == "LIKELY" and (self.joint or data.shape[1] >= _LEAST)
        if likely and self.joint and dark is not None:
            # The reference pipeline adds electrons to DN.
            dark = np.divide(dark, gain.data, out=np.zeros_like(dark), where=gain.data > 0)
        end = data.shape[1] if span.end is None else span.end
        fit = fit_ordinary(
            data, groupdq, ramp.pixeldq, gain.data, noise, **times, dark=dark,
            zeroframe=ramp.zeroframe, suppress_one_group=self.suppress_one_group, used=used,
            span=(span.first, end), trim_each=self.trim == "pixel",
        )  # fmt: skip
        if likely and self.joint:
            return products(
                ramp, refine(fit, data, groupdq, gain.data, noise, **times, dark=dark, used=used)
            )
        if likely:
            each = fit_each(
                fit, data, groupdq, ramp.pixeldq, gain.data, noise, **times, dark=dark, used=used,
                zeroframe=ramp.zeroframe, span=(span.first, end),
            )  # fmt: skip
            return products(ramp, each.fit, each.chi_square if self.save_opt else None)
        return products(ramp, fit)

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
