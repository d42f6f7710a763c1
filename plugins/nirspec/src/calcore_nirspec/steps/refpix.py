"""Subtract the electronics' drifts that reference pixels show, interleaved ones or not."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.model import Meta, Ramp, Reference, Window
from calcore.model.interleaved import Interleaved
from calcore.model.reference import SirsKernel
from calcore.parameters import Doc, Range, Unit
from calcore.step import Rows
from calcore.steps._reference_pixels import Drifts
from calcore.steps.detector.refpix import RefPix as CoreRefPix
from calcore_nirspec.kernels.irs2 import Layout, corrected
from calcore_nirspec.kernels.irs2_reference import odd_pairs, pairs, stand_ins, subtract_parity
from calcore_nirspec.references import Irs2Weights
from calcore_nirspec.steps._layout import layout_of

_BAD = np.uint32(DQ.BAD_REF_PIXEL | DQ.DO_NOT_USE)


@dataclass(frozen=True, kw_only=True)
class RefPix(CoreRefPix):
    """Correct the traditional read-out as all detectors, and IRS2 by what outputs share in time.

    In IRS2 (Rauscher et al. 2017, PASP 129, 105003) the deviations of an integration's groups from
    their mean are corrected, one frame after another. The reference output and the interleaved
    reference pixels, which the frame holds until then, are left out of the result.
    """

    ovr_corr_mitigation_ftr: Annotated[
        float, Range(0), Unit("sigma"), Doc("IRS2: odder pairs of reference pixels are replaced.")
    ] = 3.0
    preserve_irs2_refpix: Annotated[
        bool, Doc("IRS2: keep the frame as it was read, its reference pixels corrected, too.")
    ] = False
    irs2_mean_subtraction: Annotated[
        bool, Doc("IRS2: subtract the level of each output's even and odd pixels first.")
    ] = False
    means_missing: Annotated[
        bool,
        Doc("IRS2: take a reading equal to its pixel's mean for none, as the reference pipeline."),
    ] = False
    replace_bad_rows: Annotated[
        bool,
        Doc(
            "IRS2: replace all of a row in which a pixel is BAD_REF_PIXEL, science pixels too, by "
            "rows one jump away, as the reference pipeline."
        ),
    ] = False

    def wanted(self, meta: Meta) -> frozenset[str]:
        """Weights for IRS2, and what the traditional read-out wants for it."""
        if Interleaved.of(meta) is not None:
            return frozenset({Irs2Weights.type})
        return super().wanted(meta) - {Irs2Weights.type}

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows | None:
        """What outputs share takes the whole frame."""
        return None if Interleaved.of(meta) is not None else super().rows(meta, references)

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """No part of an interleaved frame is looked at first."""
        return () if Interleaved.of(meta) is not None else super().regions(meta, frame)

    def prepare(
        self, meta: Meta, parts: Iterator[Ramp], *, sirskernel: SirsKernel | None = None
    ) -> Drifts:
        """Measure the levels of the traditional read-out."""
        return super().prepare(meta, parts, sirskernel=sirskernel)

    def outgoing(self, meta: Meta) -> Meta:
        """Later steps see the detector's rows."""
        return meta if self.preserve_irs2_refpix else meta.set({"cal_step.refpix": "COMPLETE"})

    def apply(
        self,
        ramp: Ramp,
        *,
        drifts: Drifts,
        sirskernel: SirsKernel | None = None,
        weights: Irs2Weights | None = None,
    ) -> Ramp:
        """Subtract what the electronics added [DN]."""
        interleaved = Interleaved.of(ramp.meta)
        if interleaved is None:
            return super().apply(ramp, drifts=drifts, sirskernel=sirskernel)
        assert weights is not None
        layout = layout_of(ramp.meta, interleaved)
        n_output = len(layout.outputs)
        alpha, beta = (
            layout.half(weights.weights(name, n_output - 1, layout.n_sample))
            for name in ("alpha", "beta")
        )
        odd, data = self._odd(ramp, layout), ramp.data.copy() if self.preserve_irs2_refpix else None
        known = _in_time(weights.bad_pairs(n_output, odd.shape[1]))
        bad_rows = np.any(ramp.pixeldq & np.uint32(DQ.BAD_REF_PIXEL), axis=1)
        bad_rows &= self.replace_bad_rows
        sources = stand_ins(layout, odd, known, bad_rows)
        pixeldq = ramp.pixeldq.copy()
        pixeldq[pairs(layout)[odd].ravel()] |= _BAD
        pixeldq[bad_rows] |= _BAD
        targets = np.arange(interleaved.rows)
        if data is None:
            targets[:] = -1
            targets[interleaved.science] = np.arange(len(interleaved.science))
            shape = (*ramp.data.shape[:2], len(interleaved.science), ramp.data.shape[3])
            data = np.empty(shape, np.float32)
        for own, out in zip(ramp.data, data, strict=True):
            corrected(
                self._levelled(own, ramp, layout), layout, sources, alpha, beta, targets, out,
                zeros_missing=self.means_missing,
            )  # fmt: skip
        result = ramp.replace(pixeldq=pixeldq, meta=self.outgoing(ramp.meta))
        if self.preserve_irs2_refpix:
            return result.replace(data=data)
        return interleaved.stripped(result, data=data).replace(window=None)

    def _levelled(
        self, groups: NDArray[np.float32], ramp: Ramp, layout: Layout
    ) -> NDArray[np.float32]:
        """Return groups without the level of their even and odd pixels, if that is asked for."""
        if not self.irs2_mean_subtraction:
            return groups
        bad = (ramp.pixeldq & np.uint32(DQ.DO_NOT_USE)) != 0
        return np.stack([subtract_parity(group, bad, layout) for group in groups])

    def _odd(self, ramp: Ramp, layout: Layout) -> NDArray[np.bool_]:
        """Return pairs of reference pixels that are odd in any integration."""
        factor = self.ovr_corr_mitigation_ftr
        levelled = (self._levelled(own, ramp, layout) for own in ramp.data)
        return np.asarray(np.any([odd_pairs(own, layout, factor) for own in levelled], axis=0))


def _in_time(bad: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return pairs, jumps in ascending order, in the order of time: even outputs read backwards."""
    result = bad.copy()
    result[::2] = result[::2, ::-1]
    return result
