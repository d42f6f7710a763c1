"""Make ramps linear."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid
from calcore.flags import DQ
from calcore.kernels.coupled_response import share_linearly
from calcore.kernels.linearity import linearize, linearize_averages, linearize_image
from calcore.model import Meta, Ramp, Reference
from calcore.model.exposure import Float, GroupFlags
from calcore.model.reference import Ipc
from calcore.model.reference import Linearity as LinearityReference
from calcore.parameters import Doc
from calcore.step import Rows, Step
from calcore.steps._coupling import check_kernel, kernel_in
from calcore.steps._stripes import Neighbours


@dataclass(frozen=True, kw_only=True)
class Linearity(Neighbours, Step):
    """Correct the pixels' non-linear response by a polynomial of the signal.

    Where groups are averages and the reference knows the inverse polynomial, the average is made
    linear read by read; without it, as if it were a single read, or by the response's curvature.
    Saturated samples keep their signal. So do pixels whose coefficients are not usable (NaN, no
    linear term, or flagged NO_LIN_CORR); they become NO_LIN_CORR.
    """

    count_gaps: Annotated[
        bool,
        Doc(
            "Count the frames dropped between groups when the reads of an average are foretold. "
            "The reference pipeline does not."
        ),
    ] = False
    curvature: Annotated[
        bool,
        Doc(
            "Where groups are averages and the reference has no inverse polynomial, use the "
            "curvature of the response. The reference pipeline takes an average for a read."
        ),
    ] = False
    from_reset: Annotated[
        bool,
        Doc(
            "Foretell the reads of an average from the level at the reset where fewer than three "
            "groups are not saturated: the second may hold saturated reads. The reference pipeline "
            "takes the second."
        ),
    ] = False
    shared: Annotated[
        bool,
        Doc(
            "Heed that neighbours share their signals after the response has bent them (inter-pixel "
            "capacitance), where that was not undone before."
        ),
    ] = False

    def wanted(self, meta: Meta) -> frozenset[str]:
        """The coupling is asked for only where it is heeded."""
        return super().wanted(meta) - (frozenset() if self.shared else {"ipc"})

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own, or with its neighbours."""
        del meta
        coupling: Any = references.get("ipc")
        return Rows() if coupling is None else Rows(halo=coupling.data.shape[0] // 2)

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Refuse polynomials without a linear term, and kernels that do not fit."""
        coupling: Any = references.get("ipc")
        if coupling is not None:
            check_kernel(meta, coupling)
        reference: Any = references["linearity"]
        for name in ("coefficients", "inverse"):
            planes = getattr(reference, name)
            if planes is not None and planes.shape[0] < 2:
                raise ReferenceInvalid(
                    f"the linearity reference has {planes.shape[0]} plane of {name}; a polynomial "
                    "needs at least 2. Give another file"
                )

    def apply(self, ramp: Ramp, *, linearity: LinearityReference, ipc: Ipc | None = None) -> Ramp:
        """Correct all groups and the zero frame."""
        unusable = np.uint32(DQ.NO_LIN_CORR)
        flags = linearity.dq.copy()
        forward, bad = _usable(linearity.coefficients, flags)
        flags[bad] |= unusable
        meta = ramp.meta
        frames = int(meta.get("exposure.nframes", 1))
        least = 1 if self.from_reset else 2
        known = self.curvature or linearity.inverse is not None
        if known and frames > 1 and ramp.data.shape[1] >= least:
            inverse = linearity.inverse
            if inverse is not None:
                inverse, bad = _usable(inverse, flags)
                flags[bad] |= unusable
            gap = meta.group_gap if self.count_gaps else 0
            data = linearize_averages(
                ramp.data, ramp.groupdq, forward, inverse, frames, gap, from_reset=self.from_reset
            )
        else:
            data = linearize(ramp.data, ramp.groupdq, forward)
        if ipc is not None and meta.get("cal_step.ipc") != "COMPLETE":

            def shared(
                part: Ramp, raw: Float, linear: Float, groupdq: GroupFlags, terms: Float
            ) -> Float:
                area, kernel = kernel_in(part, ipc)
                return share_linearly(raw, linear, groupdq, terms, kernel, area, out=linear)

            data = self.on_stripes(shared, ramp, ramp.data, data, ramp.groupdq, forward)
        zeroframe = ramp.zeroframe
        if zeroframe is not None:
            zeroframe = linearize_image(zeroframe, forward)
        return ramp.replace(data=data, pixeldq=ramp.pixeldq | flags, zeroframe=zeroframe)


def _usable(
    coefficients: NDArray[np.float32], flags: NDArray[np.uint32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return coefficients, those that cannot be used replaced by the identity, and which these were."""
    bad = np.isnan(coefficients).any(axis=0) | (coefficients[1] == 0)
    bad |= (flags & np.uint32(DQ.NO_LIN_CORR)) != 0
    if bad.any():
        coefficients = coefficients.copy()
        coefficients[:, bad] = 0
        coefficients[1, bad] = 1
    return coefficients, bad
