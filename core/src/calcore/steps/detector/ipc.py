"""Return charge that coupled into neighbouring pixels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.kernels.interpixel import convolve
from calcore.model import Meta, Ramp, Reference
from calcore.model.reference import Ipc as IpcReference
from calcore.step import Rows, Step
from calcore.steps._coupling import check_kernel, kernel_in
from calcore.steps._stripes import Neighbours


@dataclass(frozen=True, kw_only=True)
class Ipc(Neighbours, Step):
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

        def corrected(part: Ramp, data: NDArray[np.float32]) -> NDArray[np.float32]:
            area, kernel = kernel_in(part, ipc)
            return convolve(data, kernel, area)

        # Later steps in the same band ask whether neighbours still share.
        meta = ramp.meta.set({"cal_step.ipc": "COMPLETE"})
        return ramp.replace(data=self.on_stripes(corrected, ramp, ramp.data), meta=meta)
