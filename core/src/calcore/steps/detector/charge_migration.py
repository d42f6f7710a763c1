"""Flag samples that charge migration spoils."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from calcore.errors import StepSkipped
from calcore.kernels.charge_migration import flag_charge_migration
from calcore.model import Meta, Ramp, Reference
from calcore.parameters import Doc, Unit
from calcore.step import Rows, Step
from calcore.steps._stripes import Neighbours


@dataclass(frozen=True, kw_only=True)
class ChargeMigration(Neighbours, Step):
    """Flag bright samples and their neighbours, whose charge migrates between pixels.

    From the first group above the threshold on, the pixel and its four neighbours are CHARGELOSS
    and DO_NOT_USE (Goudfrooij et al. 2024, PASP 136, 014503, describe the effect).
    """

    signal_threshold: Annotated[
        float, Unit("DN"), Doc("Signal above which charge migrates to neighbouring pixels.")
    ] = 25000.0

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Neighbours are flagged."""
        del meta, references
        return Rows(halo=1)

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip ramps that would have too few groups left."""
        del references
        if meta.n_groups < 3:
            raise StepSkipped(f"{meta.n_groups} groups are too few to leave any out; 3 are needed")

    def apply(self, ramp: Ramp) -> Ramp:
        """Flag all integrations."""
        groupdq = self.on_stripes(
            lambda _, data, known: flag_charge_migration(data, known, self.signal_threshold),
            ramp, ramp.data, ramp.groupdq,
        )  # fmt: skip
        return ramp.replace(groupdq=groupdq)
