"""Find where ramps jump: cosmic-ray hits."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcore.citing import Work
from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.kernels.jump_spread import spread_jumps
from calcore.model import Meta, Ramp, Reference, Window
from calcore.model.reference import Gain, ReadNoise
from calcore.model.usable_groups import count_usable, opening_rows, usable_groups, usable_of
from calcore.step import ALONE, Room, Rows, Step
from calcore.steps._jump_events import Events
from calcore.steps._jump_search import JumpPlan, Search
from calcore.steps._jump_settings import Consequences

# What apply leaves in the metadata of a band for tally: its place, and jumps found in each pixel.
_FOUND = "jump.found"
# What finish leaves for header: how many large events there were.
_LARGE = "jump.large"
_NO_GAIN = np.uint32(DQ.NO_GAIN_VALUE | DQ.DO_NOT_USE)


@dataclass(frozen=True, kw_only=True)
class Jump(Search, Consequences, Events, Step):
    """Flag jumps in ramps with JUMP_DET, in the first group after the jump.

    A pixel's differences of successive groups are compared with their median. The pixels beside a
    jump of a middling size are flagged too, and so are the halos of snowballs and showers if asked
    for. Pixels without a positive gain get NO_GAIN_VALUE and DO_NOT_USE.
    """

    required = frozenset({"gain", "readnoise"})
    cites = (
        "Anderson & Gordon 2011, PASP 123, 1237",
        Work("Brandt 2024, PASP 136, 045005", test="likelihood"),
        Work("Regan 2023, JWST-STScI-008545", expand_large_events=True),
        Work("Regan 2023, JWST-STScI-008545", find_showers=True),
    )

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Two differences are the least that can be compared."""
        del references
        if meta.n_groups < 3:
            raise StepSkipped(f"{meta.n_groups} groups per integration; jumps need 3")

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """A jump flags the pixels beside it."""
        del meta, references
        return Rows(halo=self.reach)

    def regions(self, meta: Meta, frame: Window) -> Iterable[Window]:
        """Read rows until it is clear how many groups can be used."""
        del meta
        return opening_rows(frame)

    def prepare(self, meta: Meta, parts: Iterator[Ramp], *, gain: Gain) -> JumpPlan:
        """Count the groups that are not unusable in every pixel."""
        limits = self.minimum_groups, self.min_diffs_single_pass + 1
        total = 0 if self.only_use_ints else self.minimum_sigclip_groups
        groups = usable_groups(parts, limits, total)
        level = np.nan
        if self.after(meta, 1.0):
            values = gain.cut(groups.frame).data
            level = float(np.nanmedian(np.where(values > 0, values, np.nan)))
        enough, many = (groups.least >= limit for limit in limits)
        return JumpPlan(enough, many, self.across(groups), level)

    def apply(self, ramp: Ramp, *, gain: Gain, readnoise: ReadNoise, plan: JumpPlan) -> Ramp:
        """Flag jumps, what lies beside them, and what follows them."""
        pixeldq = ramp.pixeldq | np.where(gain.data > 0, np.uint32(0), _NO_GAIN)
        if not (plan.enough or plan.across):
            return ramp.replace(pixeldq=pixeldq)
        groupdq, found = self.jumps(ramp, gain, readnoise, plan)
        arrays = ramp.data, ramp.groupdq, gain.data, readnoise.data
        frames = ramp.meta.frames_per_group
        if self.neighbours:
            groupdq = self.on_stripes(
                lambda _, *values: spread_jumps(*values, n_frames=frames, **self.neighbours),
                ramp, *arrays, groupdq,
            )  # fmt: skip
        if after := self.after(ramp.meta, plan.gain):
            groupdq = spread_jumps(*arrays, groupdq, n_frames=frames, after=after)
        meta = ramp.meta.set({_FOUND: (ramp.frame, found)})
        return ramp.replace(groupdq=groupdq, pixeldq=pixeldq, meta=meta)

    def planes(self, meta: Meta) -> tuple[str, ...]:
        """Snowballs and showers reach across bands."""
        return self.event_planes(meta)

    def finish(
        self,
        meta: Meta,
        planes: Mapping[str, Any],
        *,
        gain: Gain,
        readnoise: ReadNoise,
        room: Room = ALONE,
    ) -> dict[str, Any]:
        """Find snowballs, and flag their halos and cores; then showers."""
        groupdq, count = self.events(meta, planes, gain, readnoise, room)
        return {"groupdq": groupdq, "meta": meta.set({_LARGE: count})}

    def tally(self, result: Ramp) -> Mapping[str, int]:
        """Count jumps, and groups that are of use."""
        counts = count_usable(result)
        place, found = result.meta.get(_FOUND, (None, None))
        if place is not None and place.holds(result.frame):
            counts["jumps"] = int(found[result.frame.within(place)].sum())
        return counts

    def header(self, meta: Meta, tally: Mapping[str, int]) -> Meta:
        """Write how many jumps there were per pixel and 1000 s between usable groups.

        And how many large events per million pixels and second.
        """
        large = meta.get(_LARGE, 0)
        meta = meta.set({_FOUND: None, _LARGE: None})
        if "jumps" not in tally:
            return meta
        differences = sum(groups - 1 for groups in usable_of(tally, meta.n_groups))
        exposed = tally["pixels"] * differences * meta.group_time_s
        rates = {
            "exposure.primary_cosmic_rays": 1e3 * tally["jumps"] / exposed,
            "exposure.extended_emission_events": 1e6 * large / exposed,
        }
        return meta.set(rates)
