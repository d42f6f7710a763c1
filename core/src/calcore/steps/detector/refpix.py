"""Subtract the electronics' drifts that reference pixels show."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.kernels.reference_pixels import subtract_levels
from calcore.model import Meta, Ramp, Reference, Window
from calcore.model.readout import Readout
from calcore.model.reference import SirsKernel
from calcore.model.stripes import Stripes
from calcore.parameters import Doc, Range, Unit
from calcore.step import Rows, Step
from calcore.steps._reference_pixels import WORKS, Drifts, Sides, by_amplifier, common, line_kernels
from calcore.steps._reference_stripes import by_stripe, reference_windows

Signal = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class RefPix(Step):
    """Subtract the levels of amplifiers, of even and odd columns, and of rows from every group.

    A frame that all amplifiers read takes the level of each amplifier's columns from the reference
    pixels at the first and last lines, and that of each line from those at its ends: by a running
    median, or in full frames by the kernels that are best for the detector. Sub-arrays take a level
    of all pixels that an amplifier reads. Reference pixels that are DO_NOT_USE are left out.
    """

    cites = WORKS
    odd_even_columns: Annotated[
        bool, Doc("Take even and odd columns on their own; they have electronics of their own.")
    ] = True
    use_side_ref_pixels: Annotated[
        bool, Doc("Follow the drift from line to line by the reference pixels at their ends.")
    ] = True
    side_smoothing_length: Annotated[
        int, Range(1), Unit("line"), Doc("Lines in the running median of the ends.")
    ] = 11
    side_gain: Annotated[
        float, Range(0), Doc("Share of the drift seen at the ends that other pixels have.")
    ] = 1.0
    refpix_algorithm: Annotated[
        Literal["median", "sirs"],
        Doc("Lines by a running median, or in full frames by the detector's kernels if known."),
    ] = "median"
    sigreject: Annotated[
        float, Range(0), Unit("sigma"), Doc("Ends farther from their median do not count; kernels.")
    ] = 4.0
    gaussmooth: Annotated[
        float, Range(0), Unit("line"), Doc("Sigma of the Gaussian that smooths kernels; 0: none.")
    ] = 1.0
    halfwidth: Annotated[
        int, Range(0), Unit("line"), Doc("Lines on either side that kernels reach.")
    ] = 30
    siglimit: Annotated[
        float, Range(0), Unit("sigma"), Doc("Outliers of the means of columns are farther away.")
    ] = 3.0
    flagged_sides: Annotated[
        bool, Doc("Have kernels take ends that are DO_NOT_USE, too, as jwst 3.0.0 does.")
    ] = False
    kernels_of_parts: Annotated[
        bool, Doc("Use kernels in sub-arrays of whole lines that all amplifiers read, too.")
    ] = False
    first_stripe_flags: Annotated[
        bool, Doc("Have flags of a super-stripe's first position hold for all, as jwst 3.0.0 does.")
    ] = False

    def wanted(self, meta: Meta) -> frozenset[str]:
        """Kernels only where they are used."""
        size = int(meta["subarray.ysize"]), int(meta["subarray.xsize"])
        by_kernels = self._by_kernels(Readout.of(meta, Window.whole(*size)))
        return super().wanted(meta) - (frozenset() if by_kernels else {SirsKernel.type})

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows | None:
        """Levels are known; every pixel is on its own."""
        del meta, references
        return Rows()

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """Edges along which lines are read, then the ends of the lines."""
        readout, stripes = Readout.of(meta, frame), Stripes.of(meta)
        if stripes is not None:
            return reference_windows(stripes, meta, frame)
        return (*readout.edges, *readout.ends)

    def prepare(
        self, meta: Meta, parts: Iterator[Ramp], *, sirskernel: SirsKernel | None = None
    ) -> Drifts:
        """Measure the levels."""
        first = next(parts, None)
        if first is None:
            return Drifts()
        readout = Readout.of(meta, Window.whole(first.frame.frame_rows, first.frame.frame_columns))
        odd_even, sigma, stripes = self.odd_even_columns, self.siglimit, Stripes.of(meta)
        if stripes is not None:
            settings = odd_even, sigma, self.first_stripe_flags
            return by_stripe(stripes, readout, [first, *parts], *settings)
        if readout.one_output:
            return common(readout, [first, *parts], odd_even=odd_even, sigma=sigma)
        sides = self._sides(meta, readout, sirskernel) if self.use_side_ref_pixels else None
        return by_amplifier(readout, first, parts, odd_even=odd_even, sigma=sigma, sides=sides)

    def apply(self, ramp: Ramp, *, drifts: Drifts, sirskernel: SirsKernel | None = None) -> Ramp:
        """Subtract the levels of the band."""
        del sirskernel  # `prepare` needs it
        if drifts.columns is None:
            return ramp
        frame = ramp.frame
        along_x = Readout.of(ramp.meta, frame).fast_along_x
        fast, slow = (frame.columns, frame.rows) if along_x else (frame.rows, frame.columns)
        columns, rows, amplifier = drifts.columns[..., fast], drifts.rows, drifts.amplifier
        if rows is None or amplifier is None:
            rows = np.zeros((*columns.shape[:2], 1, slow.stop - slow.start))
            amplifier = np.zeros(columns.shape[-1], np.int64)
        else:
            rows, amplifier = rows[..., slow], amplifier[fast]

        def subtract(data: Signal, groups: slice, *, first: bool) -> Signal:
            return subtract_levels(
                data, columns[:, groups], rows[:, groups], amplifier,
                fast_along_x=along_x, first_in_steps=first,
            )  # fmt: skip

        zeroframe = ramp.zeroframe
        if zeroframe is not None:
            corrected = subtract(zeroframe[:, None], slice(-1, None), first=False)[:, 0]
            zeroframe = np.where(zeroframe == 0, zeroframe, corrected)
        data = subtract(ramp.data, slice(ramp.data.shape[1]), first=True)
        return ramp.replace(data=data, zeroframe=zeroframe)

    def _by_kernels(self, readout: Readout) -> bool:
        """Return whether kernels can serve: they are for lines from end to end."""
        if self.refpix_algorithm == "median" or not self.use_side_ref_pixels or readout.one_output:
            return False
        whole = readout.n_slow == readout.total_slow or self.kernels_of_parts
        return whole and len(readout.ends) == 2

    def _sides(self, meta: Meta, readout: Readout, reference: SirsKernel | None) -> Sides:
        """Return how the levels of lines are found."""
        kernels = None
        if reference is not None and self._by_kernels(readout):
            kernels = line_kernels(reference, meta, self.halfwidth, self.gaussmooth)
        return Sides(
            length=self.side_smoothing_length, gain=self.side_gain, kernels=kernels,
            limit=self.sigreject, flagged=self.flagged_sides,
        )  # fmt: skip
