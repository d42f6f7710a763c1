"""Return charge that coupled into neighbouring pixels, in interleaved frames too."""

from collections.abc import Mapping
from dataclasses import dataclass

from calcore.model import Meta, Ramp, Reference
from calcore.model.interleaved import Interleaved
from calcore.model.reference import Ipc as IpcReference
from calcore.step import Rows
from calcore.steps.detector.ipc import Ipc as CoreIpc


@dataclass(frozen=True, kw_only=True)
class Ipc(CoreIpc):
    """Undo inter-pixel capacitance; in IRS2 frames interleaved reference pixels are passed over."""

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Neighbours on the detector are farther apart in an interleaved frame."""
        halo = super().rows(meta, references).halo
        interleaved = Interleaved.of(meta)
        return Rows(halo if interleaved is None else halo * interleaved.halo)

    def apply(self, ramp: Ramp, *, ipc: IpcReference) -> Ramp:
        """Convolve all groups of the detector."""
        interleaved = Interleaved.of(ramp.meta)
        if interleaved is None:
            return super().apply(ramp, ipc=ipc)
        corrected = super().apply(interleaved.stripped(ramp), ipc=ipc)
        return interleaved.put_back(ramp, corrected, "data")
