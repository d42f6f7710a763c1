"""Leave out groups that the reset switch charge decay spoils."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcore.errors import ReferenceInvalid, StepSkipped
from calcore.model import Meta, Ramp, Reference
from calcore.model.reference import Rscd as RscdReference
from calcore.step import Rows, Step
from calcore_miri.kernels.reset_switch import flag_first_groups

# A sub-array that the table knows by another name.
ALIASES = {"SUBPRISM": "SLITLESSPRISM"}
# What apply leaves in the metadata of a band for tally: its place, and pixels to count.
_FOUND = "rscd.found"
# Kinds of integrations, the first of an exposure and all others, as keywords name them.
_KINDS = ("int1", "int2p")
_COLUMNS = ("subarray", "readpatt", "group_skip1", "group_skip")


@dataclass(frozen=True, kw_only=True)
class Rscd(Step):
    """Flag the first groups of every integration, where the signal still decays from the reset.

    How many is a matter of the sub-array and the read-out pattern; the first integration of an
    exposure has its own number. At least three groups are left, and one is flagged in ramps of
    up to five. Pixels that saturate soon get some of them back and become FLUX_ESTIMATED.
    (Argyriou et al. 2023, A&A 680, A96, and Morrison et al. 2023, PASP 135, 075004, describe
    the effect.)
    """

    cites = (
        "Argyriou et al. 2023, A&A 680, A96",
        "Morrison et al. 2023, PASP 135, 075004",
    )

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Skip ramps that are too short, and modes that the reference does not know."""
        if meta.n_groups < 3:
            raise StepSkipped(f"{meta.n_groups} groups are too few to leave any out; 3 are needed")
        reference = references["rscd"]
        assert isinstance(reference, RscdReference)
        if _skips(meta, reference) is None:
            raise StepSkipped(
                f"the reference has no row for sub-array {meta.subarray} and read-out pattern "
                f"{meta['exposure.readpatt']}"
            )

    def apply(self, ramp: Ramp, *, rscd: RscdReference) -> Ramp:
        """Flag all pixels."""
        known = _skips(ramp.meta, rscd)
        assert known is not None
        n_int, n_group = ramp.data.shape[:2]
        first, later = known if n_group > 5 else (1, 1)
        skips = np.full(n_int, later, np.int64)
        begins = ramp.meta.first_integration == 1
        if begins:
            skips[0] = first
        skips = np.clip(skips, 0, n_group - 3)
        groupdq, pixeldq, flagged = flag_first_groups(ramp.groupdq, ramp.pixeldq, skips)
        found: dict[str, Any] = {}
        numbers: dict[str, int] = {}
        for kind, own in zip(_KINDS, (slice(0, begins), slice(begins, n_int)), strict=True):
            if skips[own].size:
                numbers[f"rscd.ngroups_skip_{kind}"] = int(skips[own][0])
                fewer = flagged[own] < skips[own, None, None]
                found[f"keep_groups_saturation_{kind}"] = fewer.any(axis=0)
                found[f"keep_bright_firstgroup_{kind}"] = (fewer & (flagged[own] == 0)).any(axis=0)
        meta = ramp.meta.set({_FOUND: (ramp.frame, found), **numbers})
        return ramp.replace(groupdq=groupdq, pixeldq=pixeldq, meta=meta)

    def tally(self, result: Ramp) -> Mapping[str, int]:
        """Count pixels that got groups back, and those that got all back, in any integration."""
        place, found = result.meta[_FOUND]
        part = result.frame.within(place)
        return {name: int(np.count_nonzero(pixels[part])) for name, pixels in found.items()}

    def header(self, meta: Meta, tally: Mapping[str, int]) -> Meta:
        """Write these counts."""
        counts = {f"rscd.{name}": number for name, number in tally.items()}
        return meta.set({_FOUND: None, **counts})


def _skips(meta: Meta, reference: RscdReference) -> tuple[int, int] | None:
    """Return the numbers of groups to skip in the first integration and in later ones."""
    columns = reference.table.dtype.names or ()
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise ReferenceInvalid(
            f"the rscd reference has no column {missing[0]}; it has {', '.join(columns)}"
        )
    names = {meta.subarray, ALIASES.get(meta.subarray, meta.subarray)}
    for row in reference.table:
        subarray, pattern = _text(row["subarray"]), _text(row["readpatt"])
        if subarray in names and pattern == meta["exposure.readpatt"]:
            first = int(row["group_skip1"])
            return (first if first >= 0 else 1), int(row["group_skip"])
    return None


def _text(value: object) -> str:
    return (value.decode() if isinstance(value, bytes) else str(value)).strip()
