"""Leave out the first groups, which the reset of the switch charge decay still bends."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.model import Meta, Ramp, Reference
from calcore.model.reference import Rscd as RscdReference
from calcore.step import Rows, Step

# Ramps this short lose one group at most, whatever the table says.
SHORT = 5
# Groups that must remain.
LEFT = 3
# The table has one row for sub-arrays that are read alike.
ALIKE = {"SUBPRISM": "SLITLESSPRISM"}


@dataclass(frozen=True, kw_only=True)
class Rscd(Step):
    """Flag the first groups of every integration DO_NOT_USE.

    The reference says how many, in the first integration of the exposure and in those after it. Of
    short ramps, and of pixels that saturate early, fewer groups are given up: two unsaturated ones
    stay, and such a pixel gets FLUX_ESTIMATED. A pixel that is saturated from its first group is
    flagged like any other.
    """

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip ramps that are too short, and read-outs that the table does not know."""
        if meta.n_groups < LEFT:
            raise StepSkipped(f"{meta.n_groups} groups are too few to leave out any")
        reference = references["rscd"]
        assert isinstance(reference, RscdReference)
        _skips(meta, reference)

    def apply(self, ramp: Ramp, *, rscd: RscdReference) -> Ramp:
        """Flag the first groups of every pixel."""
        first, later = _skips(ramp.meta, rscd)
        groupdq = ramp.groupdq.copy()
        given_up = np.zeros(ramp.pixeldq.shape, bool)
        for integration in range(groupdq.shape[0]):
            is_first = integration == 0 and ramp.meta.first_integration == 1
            skip = first if is_first else later
            own = _fewer_if_saturated(ramp.groupdq[integration], skip)
            given_up |= own < skip
            for group in range(skip):
                groupdq[integration, group] |= np.where(
                    group < own, np.uint8(DQ.DO_NOT_USE), np.uint8(0)
                )
        estimated = np.where(given_up, np.uint32(DQ.FLUX_ESTIMATED), np.uint32(0))
        return ramp.replace(groupdq=groupdq, pixeldq=ramp.pixeldq | estimated)


def _skips(meta: Meta, reference: RscdReference) -> tuple[int, int]:
    """Return the groups to leave out of the exposure's first integration, and of the others."""
    subarray = ALIKE.get(meta.subarray, meta.subarray)
    pattern = str(meta["exposure.readpatt"])
    for row in reference.table:
        if row["subarray"] == subarray and row["readpatt"] == pattern:
            first, later = int(row["group_skip1"]), int(row["group_skip"])
            break
    else:
        raise StepSkipped(f"the reference has no row for {subarray} read in {pattern}")
    if first < 0:
        first = 1
    if meta.n_groups <= SHORT:
        first = later = 1
    most = meta.n_groups - LEFT
    return min(first, most), min(later, most)


def _fewer_if_saturated(groupdq: NDArray[np.uint8], skip: int) -> NDArray[np.intp]:
    """Return how many groups (ny, nx) to leave out of one integration (n_group, ny, nx)."""
    saturated = (groupdq & np.uint8(DQ.SATURATED)) != 0
    whole = np.argmax(saturated, axis=0)
    fewer = np.clip(whole - 2, 0, skip)
    return np.where(saturated.any(axis=0) & (whole > 0), fewer, skip)
