"""What bright sources leave in the exposures after them."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from calcore.flags import DQ
from calcore.model import Group, Image
from calcore.parameters import Doc, Range, Unit
from calcore.step import Step


@dataclass(frozen=True, kw_only=True)
class Trails(Step):
    """Flag pixels that were bright in an earlier exposure of the same detector."""

    threshold: Annotated[float, Range(0), Unit("BUNIT"), Doc("What is bright.")] = 50.0

    def apply(self, group: Group[Image]) -> Group[Image]:
        """Return the exposures with PERSISTENCE where an earlier one was bright."""
        bright: dict[str, np.ndarray] = {}
        done: dict[int, Image] = {}
        for number, image in group.in_time_order():
            before = bright.get(image.meta.detector, np.zeros(image.data.shape, bool))
            flags = np.where(before, np.uint32(DQ.PERSISTENCE), np.uint32(0))
            meta = image.meta.set({"acme.exposures_before": len(done)})
            done[number] = image.replace(dq=image.dq | flags, meta=meta)
            bright[image.meta.detector] = before | (image.data > self.threshold)
        return group.with_members([done[number] for number in sorted(done)])
