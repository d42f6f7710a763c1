"""Flag samples that charge migration spoils."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from calcore.errors import StepSkipped, with_article
from calcore.kernels.charge_contrast import migration_sums, truncate_migration
from calcore.kernels.charge_migration import flag_charge_migration
from calcore.model import Meta, Ramp, Reference, Window
from calcore.model.reference import Gain, ReadNoise
from calcore.parameters import Doc, Range, Unit
from calcore.step import Rows, Step
from calcore.steps._stripes import Neighbours, parts_of

_TILE = 32  # rows that are looked at together when the coefficient is fitted
_SIGNIFICANT = 3.0  # the coefficient is taken for real from here on [sigma]


@dataclass(frozen=True)
class MigrationPlan:
    """What holds for the whole frame.

    Attributes
    ----------
    coefficient : float
        Part of the charge that goes to a neighbour, over the difference of signals [1/DN]; 0 if it
        was not fitted, or if ramps do not show any.
    """

    coefficient: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ChargeMigration(Neighbours, Step):
    """Flag bright samples and their neighbours, whose charge migrates between pixels.

    They are CHARGELOSS and DO_NOT_USE (Goudfrooij et al. 2024, PASP 136, 014503, describe the
    effect): by a threshold, the pixel and its four neighbours from the first group above it on; by
    curvature, each ramp from where what moves, fitted to how ramps bend with the contrast to their
    neighbours, would spoil its rate.
    """

    cites = ("Goudfrooij et al. 2024, PASP 136, 014503",)

    method: Annotated[
        Literal["threshold", "curvature"],
        Doc("By a threshold of the signal, or by how ramps bend with their neighbours' contrast."),
    ] = "threshold"
    signal_threshold: Annotated[
        float, Unit("DN"), Doc("Signal above which charge migrates to neighbouring pixels.")
    ] = 25000.0
    bias_limit: Annotated[
        float,
        Range(0.01),
        Unit("sigma"),
        Doc("Curvature: the largest bias of a rate that is borne, over its error."),
    ] = 0.5

    def wanted(self, meta: Meta) -> frozenset[str]:
        """The noise is asked for only where curvature is judged."""
        curvature = self.method == "curvature"
        return super().wanted(meta) - (frozenset() if curvature else {Gain.type, ReadNoise.type})

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Neighbours are flagged, or looked at."""
        del meta, references
        return Rows(halo=1)

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip ramps that would have too few groups left, and curvature whose noise is unknown."""
        if meta.n_groups < 3:
            raise StepSkipped(f"{meta.n_groups} groups are too few to leave any out; 3 are needed")
        for name in sorted({Gain.type, ReadNoise.type} - set(references)):
            if self.method == "curvature":
                raise StepSkipped(
                    f"curvature cannot be judged without {with_article(name)} reference"
                )

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """Curvature is fitted to the whole frame."""
        del meta
        starts = range(0, frame.frame_rows if self.method == "curvature" else 0, _TILE)
        return (frame.with_rows(row, min(row + _TILE, frame.frame_rows)) for row in starts)

    def prepare(
        self,
        meta: Meta,
        parts: Iterator[Ramp],
        *,
        gain: Gain | None = None,
        readnoise: ReadNoise | None = None,
    ) -> MigrationPlan:
        """Fit how much charge goes to a neighbour."""
        if gain is None or readnoise is None:
            return MigrationPlan()
        sums, frames = np.zeros(2), meta.frames_per_group
        for part in parts:
            noise = gain.cut(part.frame).data, readnoise.cut(part.frame).data
            arrays = part.data, part.groupdq, *noise
            wheres = [where for where, _ in parts_of(part, apart=self.stripes_apart)]
            for where in wheres or [(...,)]:
                here = [np.ascontiguousarray(values[where]) for values in arrays]
                sums += migration_sums(*here, n_frames=frames)
        real = sums[0] > _SIGNIFICANT * np.sqrt(sums[1])
        return MigrationPlan(float(sums[0] / sums[1]) if real else 0.0)

    def apply(
        self,
        ramp: Ramp,
        *,
        gain: Gain | None = None,
        readnoise: ReadNoise | None = None,
        plan: MigrationPlan,
    ) -> Ramp:
        """Flag all integrations."""
        if gain is None or readnoise is None:
            groupdq = self.on_stripes(
                lambda _, data, known: flag_charge_migration(data, known, self.signal_threshold),
                ramp, ramp.data, ramp.groupdq,
            )  # fmt: skip
            return ramp.replace(groupdq=groupdq)
        groupdq = self.on_stripes(
            lambda part, *arrays: truncate_migration(
                *arrays, n_frames=part.meta.frames_per_group, coefficient=plan.coefficient,
                limit=self.bias_limit,
            ),
            ramp, ramp.data, ramp.groupdq, gain.data, readnoise.data,
        )  # fmt: skip
        return ramp.replace(groupdq=groupdq)
