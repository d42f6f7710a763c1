"""Return charge that coupled into neighbouring pixels."""

from collections.abc import Mapping
from dataclasses import dataclass

from calcore.errors import ReferenceInvalid
from calcore.kernels.interpixel import convolve
from calcore.model import Meta, Ramp, Reference
from calcore.model.reference import Ipc as IpcReference
from calcore.step import Rows, Step
from calcore.steps._coupling import kernel_in


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
        shape = reference.data.shape
        if len(shape) not in (2, 4) or shape[0] % 2 == 0 or shape[1] % 2 == 0:
            raise ReferenceInvalid(
                f"the IPC kernel has shape {shape}; give one of odd height and width with 2 axes, "
                "or 4 if each pixel has its own"
            )
        if len(shape) == 4:
            detector = meta.facts.detector
            size = meta.get("subarray.ysize"), meta.get("subarray.xsize")
            if shape[2:] not in ((detector.rows, detector.columns), size):
                raise ReferenceInvalid(
                    f"the IPC kernel has shape {shape}; its last two axes must be those of the "
                    f"full frame ({detector.rows}, {detector.columns}) or of the sub-array {size}"
                )

    def apply(self, ramp: Ramp, *, ipc: IpcReference) -> Ramp:
        """Convolve all groups."""
        area, kernel = kernel_in(ramp, ipc)
        # Later steps in the same band ask whether neighbours still share.
        meta = ramp.meta.set({"cal_step.ipc": "COMPLETE"})
        return ramp.replace(data=convolve(ramp.data, kernel, area), meta=meta)
