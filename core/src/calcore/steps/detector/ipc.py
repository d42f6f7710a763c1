"""Return charge that coupled into neighbouring pixels."""

from collections.abc import Mapping
from dataclasses import dataclass

from calcore.kernels.interpixel import convolve
from calcore.model import Meta, Ramp, Reference
from calcore.model.reference import Ipc as IpcReference
from calcore.step import Rows, Step
from calcore.steps._coupling import check_kernel, kernel_in


@dataclass(frozen=True, kw_only=True)
class Ipc(Step):
    """Convolve every group with the kernel that undoes inter-pixel capacitance.

    Reference pixels neither give nor take. A NaN spreads over the kernel's reach. The kernel is
    one for all pixels, or one for each pixel of the full frame or of the sub-array.
    """

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Half a kernel beyond the band."""
        del meta
        reference = references["ipc"]
        assert isinstance(reference, IpcReference)
        return Rows(halo=reference.data.shape[0] // 2)

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Refuse a kernel that has no middle, or does not cover the exposure."""
        reference = references["ipc"]
        assert isinstance(reference, IpcReference)
        check_kernel(meta, reference)

    def apply(self, ramp: Ramp, *, ipc: IpcReference) -> Ramp:
        """Convolve all groups."""
        area, kernel = kernel_in(ramp, ipc)
        # Later steps in the same band ask whether neighbours still share.
        meta = ramp.meta.set({"cal_step.ipc": "COMPLETE"})
        return ramp.replace(data=convolve(ramp.data, kernel, area), meta=meta)
