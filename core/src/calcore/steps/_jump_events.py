"""Large events, which reach across bands of rows: snowballs and showers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.kernels.jump_showers import Showers, flag_showers
from calcore.kernels.snowball_halos import Signal
from calcore.kernels.snowballs import flag_snowballs
from calcore.model import Meta, Window
from calcore.model.reference import Gain, ReadNoise
from calcore.step import Room
from calcore.steps._jump_settings import FaintEvents, LargeEvents
from calcore.steps._stripes import Neighbours, windows_of


@dataclass(frozen=True, kw_only=True)
class Events(LargeEvents, FaintEvents, Neighbours):
    """Parameters of large events, and the search for them in whole frames."""

    def event_planes(self, meta: Meta) -> tuple[str, ...]:
        """Return the planes of a ramp that the search needs; none if there is nothing to search."""
        if (
            self.find_showers
            and meta.n_integrations * (meta.n_groups - 1) >= Showers.min_differences
        ):
            return "data", "groupdq", "pixeldq"
        if not self.expand_large_events:
            return ()
        return ("groupdq",) if self.halo_limit is None else ("data", "groupdq")

    def events(
        self, meta: Meta, planes: Mapping[str, Any], gain: Gain, readnoise: ReadNoise, room: Room
    ) -> tuple[NDArray[np.uint8], int]:
        """Return flags (n_int, n_group, ny, nx) with large events, and how many there are.

        References are those of the whole frame or larger.
        """
        groupdq, count = planes["groupdq"], 0
        frame = Window.whole(*groupdq.shape[2:])
        gain, readnoise = gain.cut(frame), readnoise.cut(frame)
        if self.expand_large_events:
            signal = None
            if self.halo_limit is not None:
                signal = Signal(planes["data"], gain.data, readnoise.data, meta.frames_per_group)
            groupdq, count = self._snowballs(meta, groupdq, signal, room)
        if "pixeldq" in planes:
            groupdq, showers = flag_showers(
                planes["data"],
                np.asarray(groupdq),
                planes["pixeldq"],
                gain.data,
                readnoise.data,
                n_frames=meta.frames_per_group,
                max_change=self.largest_change(meta, gain),
                settings=self.showers(meta, self.max_extended_radius),
                each=room.each,
            )
            count += showers
        return groupdq, count

    def _snowballs(
        self, meta: Meta, groupdq: NDArray[np.uint8], signal: Signal | None, room: Room
    ) -> tuple[NDArray[np.uint8], int]:
        """Find snowballs in each part of the frame whose pixels are neighbours."""
        settings, frame = self.snowballs(meta), Window.whole(*groupdq.shape[2:])
        parts = list(windows_of(meta, frame, apart=self.stripes_apart))
        if not parts:
            # What is kept in a file is changed there, one integration after the other.
            out = None if isinstance(groupdq, np.ndarray) else groupdq
            return flag_snowballs(groupdq, settings, signal, out, room.ahead)
        flags, count = np.array(groupdq), 0
        for part in parts:
            where = ..., part.rows, part.columns
            here = np.ascontiguousarray(groupdq[where]), settings, signal and signal.cut(where)
            flags[where], found = flag_snowballs(*here, in_order=room.ahead)
            count += found
        return flags, count
