"""Scale count rates that were taken with another gain than the detector's usual one."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from calcore.errors import StepSkipped
from calcore.model import Meta, Rate, Reference
from calcore.model.reference import Gain
from calcore.step import Rows, Step

FACTOR = "exposure.gain_factor"


@dataclass(frozen=True, kw_only=True)
class GainScale(Step):
    """Multiply count rates and errors by GAINFACT, and variances by its square.

    The exposure's own keyword goes before that of the gain reference.
    """

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip if neither the exposure nor the reference has a factor."""
        if meta.get(FACTOR, references["gain"].meta.get(FACTOR)) is None:
            raise StepSkipped("no gain factor (GAINFACT) is given")

    def apply(self, rate: Rate, *, gain: Gain) -> Rate:
        """Scale all planes."""
        factor = float(rate.meta.get(FACTOR, gain.meta.get(FACTOR)))
        powers = {"data": 1, "err": 1}
        powers |= {item.name: 2 for item in fields(rate) if item.name.startswith("var_")}
        scaled = {
            name: plane * np.float32(factor**power)
            for name, power in powers.items()
            if (plane := getattr(rate, name)) is not None
        }
        return rate.replace(meta=rate.meta.set({FACTOR: factor}), **scaled)
