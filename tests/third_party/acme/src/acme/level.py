"""A level for each group, taken from pixels that see no light."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from calcore.model import Ramp, Record, Reference
from calcore.model.layout import Plane
from calcore.model.reference import SceneMask
from calcore.parameters import Doc, Range, Unit
from calcore.step import Step

Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Steady(Reference):
    """How much a pixel follows the level of its group: `data` (ny, nx), 1 for all of it."""

    type: ClassVar[str] = "acmesteady"
    in_crds: ClassVar[bool] = False
    data: Annotated[Float, Plane("SCI", "f4", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Scatter(Record):
    """What is left of the levels: `data` (ny, nx), standard deviation over groups [DN]."""

    data: Annotated[Float, Plane("SCATTER", "f4", required=True)]


@dataclass(frozen=True)
class Leveled:
    """Ramps, and the scatter if it was asked for."""

    ramp: Ramp
    scatter: Scatter | None = None


@dataclass(frozen=True, kw_only=True)
class GroupLevel(Step):
    """Take from each group the level that its dark pixels have beyond the ramp's own rise."""

    largest: Annotated[float, Range(0), Unit("DN"), Doc("No level is taken to be more.")] = 100.0
    save_scatter: Annotated[bool, Doc("Save the scatter that is left.")] = False

    def apply(self, ramp: Ramp, *, steady: Steady, scene: SceneMask | None = None) -> Leveled:
        """Return the ramps without the levels."""
        dark = np.ones(ramp.data.shape[-2:], bool) if scene is None else scene.data == 0
        groups = np.nanmedian(ramp.data[..., dark], axis=-1)
        at = np.arange(groups.shape[1])
        rise = np.stack([np.polyval(np.polyfit(at, row, 1), at) for row in groups])
        levels = np.clip(groups - rise, -self.largest, self.largest).astype(np.float32)
        data = ramp.data - levels[:, :, None, None] * steady.data
        done = {"acme.largest_level": float(np.abs(levels).max())}
        leveled = ramp.replace(data=data, meta=ramp.meta.set(done))
        if not self.save_scatter:
            return Leveled(leveled)
        scatter = np.diff(data, axis=1).std(axis=(0, 1)).astype(np.float32)
        meta = leveled.meta.set(model_type="AcmeScatterModel")
        return Leveled(leveled, Scatter(meta=meta, data=scatter))
