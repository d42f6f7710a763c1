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
from calcore.step import ALONE, Room, Rows
from calcore.steps._reference_pixels import Drifts
from calcore.steps.detector.refpix import RefPix as CoreRefPix
from calcore_nirspec.kernels.irs2 import Correction, Layout
from calcore_nirspec.kernels.irs2_reference import pairs, stand_ins
from calcore_nirspec.references import Irs2Weights
from calcore_nirspec.steps._irs2 import Readings, kept
from calcore_nirspec.steps._layout import layout_of

_BAD = np.uint32(DQ.BAD_REF_PIXEL | DQ.DO_NOT_USE)


@dataclass(frozen=True, kw_only=True)
class RefPix(CoreRefPix):
    """Correct the traditional read-out as all detectors, and IRS2 by what outputs share in time.

    In IRS2 (Rauscher et al. 2017, PASP 129, 105003) the deviations of an integration's groups from
    their mean are corrected, one frame after another. The reference output and the interleaved
    reference pixels, which the frame holds until then, are left out of the result.
    """

    cites = (*CoreRefPix.cites, "Rauscher et al. 2017, PASP 129, 105003")

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
        room: Room = ALONE,
    ) -> Ramp:
        """Subtract what the electronics added [DN]."""
        interleaved = Interleaved.of(ramp.meta)
        if interleaved is None:
            return super().apply(ramp, drifts=drifts, sirskernel=sirskernel)
        assert weights is not None
        readings = Readings(ramp.data, layout_of(ramp.meta, interleaved), room)
        pixeldq = np.array(ramp.pixeldq)
        bad_rows = np.any(pixeldq & np.uint32(DQ.BAD_REF_PIXEL), axis=1) & self.replace_bad_rows
        odd = readings.odd_pairs(self.ovr_corr_mitigation_ftr, bad_rows)
        pixeldq[pairs(readings.layout)[odd].ravel()] |= _BAD
        pixeldq[bad_rows] |= _BAD
        if self.irs2_mean_subtraction:
            readings = readings.levelled(pixeldq)
        rows = np.arange(interleaved.rows) if self.preserve_irs2_refpix else interleaved.science
        correction = self._correction(weights, readings.layout, odd, bad_rows, rows)
        data = readings.corrected(correction)
        result = ramp.replace(pixeldq=pixeldq, meta=self.outgoing(ramp.meta))
        if self.preserve_irs2_refpix:
            return result.replace(data=data)
        groupdq = kept(ramp.groupdq, rows, room)
        return interleaved.stripped(result, data=data, groupdq=groupdq).replace(window=None)

    def _correction(
        self,
        weights: Irs2Weights,
        layout: Layout,
        odd: NDArray[np.bool_],
        bad_rows: NDArray[np.bool_],
        rows: NDArray[np.int64],
    ) -> Correction:
        """Return how frames are corrected, given what of them is odd or bad, and which rows are kept."""
        known = weights.bad_pairs(*odd.shape[:2])
        known[::2] = known[::2, ::-1]  # in the order of time: even outputs read backwards
        alpha, beta = (
            [
                layout.transform.of_real(weights.weights(name, k, layout.n_sample))
                for k in range(len(odd) - 1)
            ]
            for name in ("alpha", "beta")
        )
        sources = stand_ins(layout, odd, known, bad_rows)
        return Correction(layout, sources, alpha, beta, rows, self.means_missing)
