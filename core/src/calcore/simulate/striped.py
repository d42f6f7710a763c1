"""Sub-arrays that are read in stripes: all lines are lit, some are read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter
from calcore.model.stripes import Stripes
from calcore.simulate.cosmic_rays import Hits
from calcore.simulate.detector import Camera, Deposits, Ramps
from calcore.simulate.detector_maps import DetectorMaps
from calcore.simulate.render import SkyImage
from calcore.simulate.tables import Detector, Subarray

KEYWORDS = {
    "multistripe_reads1": "MSTR_RD1",
    "multistripe_skips1": "MSTR_SK1",
    "multistripe_reads2": "MSTR_RD2",
    "multistripe_skips2": "MSTR_SK2",
    "repeat_stripe": "MSTR_RPT",
    "interleave_reads1": "MSTR_ILV",
    "superstripe_step": "SSTR_STP",
    "num_superstripe": "SSTR_NST",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class StripedReadout:
    """How a sub-array is read in stripes.

    Attributes
    ----------
    stripes
        Which lines are read.
    keywords
        What headers say of it.
    read
        The sub-array as raw exposures have it.
    seen
        The sub-array with all lines of the detector, which light falls on.
    """

    stripes: Stripes
    keywords: Mapping[str, int]
    read: Subarray
    seen: Subarray

    @classmethod
    def of(
        cls, readout: Mapping[str, Any], detector: Detector, subarray: Subarray
    ) -> "StripedReadout | None":
        """Return how an instrument's table ``[readout]`` has a sub-array read; None if in one piece.

        Raises
        ------
        BadParameter
            A line is read twice in a frame.
        """
        row = readout.get("stripes", {}).get(subarray.name)
        if row is None:
            return None
        told = {name: int(row.get(name, 0)) for name in KEYWORDS}
        along_rows = abs(detector.slow_axis) == 2
        total = detector.ny if along_rows else detector.nx
        stripes = Stripes.told(
            told,
            size=subarray.ysize if along_rows else subarray.xsize,
            start=subarray.ystart if along_rows else subarray.xstart,
            total=total,
            slow=detector.slow_axis,
            whole=bool(row.get("whole", False)),
        )
        light = [stripe for stripe in stripes.stripes if not stripe.leading]
        if len({stripe.first for stripe in light}) < len(light):
            raise BadParameter(
                f"{subarray.name} of {detector.name} reads a stripe several times in a frame, which is "
                "not simulated; choose another sub-array"
            )
        keywords = {KEYWORDS[name]: value for name, value in told.items()}
        if along_rows:
            seen = replace(subarray, ystart=1, ysize=total)
        else:
            seen = replace(subarray, xstart=1, xsize=total)
        return cls(stripes=stripes, keywords=keywords, read=subarray, seen=seen)

    def lines(self, position: int) -> NDArray[np.int64]:
        """Return the lines of `seen` that make the frame of one position, in order."""
        order = self.stripes.positions - 1 - position if self.stripes.backwards else position
        return self.stripes.lines[self.stripes.parts(apart=False)[order]]

    def expose(self, camera: Camera, rate: NDArray[np.floating]) -> Ramps:
        """Expose position after position, integration after integration.

        Parameters
        ----------
        camera
            With the pixels of `seen`, and the times of all integrations that the file has.
        rate
            Electrons per second that these pixels meet.
        """
        camera = replace(camera, parts=self._parts())
        positions = self.stripes.positions
        if positions == 1:
            return self._exposed(camera, rate, 0)
        made = []
        for number in range(camera.plan.n_ints):
            own = replace(
                camera,
                plan=replace(camera.plan, n_ints=1),
                random=lambda *words, n=number: camera.random("position", n, *words),
            )
            made.append(self._exposed(own, rate, number % positions))
        return _joined(made)

    def _exposed(self, camera: Camera, rate: NDArray[np.floating], position: int) -> Ramps:
        lines = self._window(self.lines(position))
        return replace(camera, maps=camera.maps.cut(lines)).expose(rate[lines])

    def truth(
        self, sky: SkyImage, ramps: Ramps, maps: DetectorMaps
    ) -> tuple[SkyImage, Ramps, DetectorMaps]:
        """Return what is known of an exposure, in the frame that its count rates will have."""
        lines = self._product_lines()
        return replace(sky, rate=sky.rate[lines]), self.collated(ramps), maps.cut(lines)

    def collated(self, ramps: Ramps) -> Ramps:
        """Return what is known of a raw exposure, in integrations of the whole sub-array.

        Only deposits and `first_full` are put together: they are the truth.
        """
        positions = self.stripes.positions
        if positions == 1:
            return ramps
        start, source = self.stripes.collated
        n_raw = ramps.first_full.shape[0]
        axis = 1 if self.stripes.along_rows else 2
        shape = list(ramps.first_full.shape)
        shape[0], shape[axis] = n_raw // positions, len(source)
        first_full = np.full(shape, ramps.counts.shape[1], np.int16)
        for raw in range(n_raw):
            place = self.lines(raw % positions) - start
            light = self._light(raw % positions)
            image, found = first_full[raw // positions], ramps.first_full[raw]
            if axis == 1:
                image[place[light]] = found[light]
            else:
                image[:, place[light]] = found[:, light]
        deposits = tuple(self._moved(part, start) for part in ramps.deposits)
        return replace(ramps, first_full=first_full, deposits=deposits)

    @property
    def product(self) -> Subarray:
        """The sub-array as its count rates have it: positions of a super-stripe put together."""
        if self.stripes.positions == 1:
            return self.read
        start, source = self.stripes.collated
        if self.stripes.along_rows:
            return replace(self.read, ystart=start + 1, ysize=len(source))
        return replace(self.read, xstart=start + 1, xsize=len(source))

    @property
    def window(self) -> tuple[Any, Any]:
        """Where the product lies on the detector, as an index (y, x)."""
        if self.stripes.positions > 1:
            return self.product.window
        rows, columns = self.read.window
        lines = self.lines(0)
        return (lines, columns) if self.stripes.along_rows else (rows, lines)

    @property
    def neighbours(self) -> tuple[tuple[Any, Any], ...]:
        """Parts of the product's frame whose pixels are neighbours."""
        if self.stripes.positions == 1:
            return self._parts()
        start, source = self.stripes.collated
        cuts = {0, len(source)}
        for position in range(self.stripes.positions):
            light = self.lines(position)[self._light(position)] - start
            cuts |= {int(light[0]), int(light[-1]) + 1}
        parts = [slice(first, stop) for first, stop in pairwise(sorted(cuts))]
        return tuple(self._window(part) for part in parts)

    def _product_lines(self) -> tuple[Any, Any]:
        """Return the lines of `seen` in the order of the product's frame."""
        if self.stripes.positions == 1:
            return self._window(self.lines(0))
        start, source = self.stripes.collated
        return self._window(np.arange(start, start + len(source)))

    def _moved(self, part: Deposits, start: int) -> Deposits:
        """Return deposits at their place in the whole sub-array."""
        positions = self.stripes.positions
        place, light = (item(part.integration % positions) for item in (self.lines, self._light))
        axis = "y" if self.stripes.along_rows else "x"
        line = getattr(part.hits, axis)
        kept = light[line]
        hits = {name: values[kept] for name, values in vars(part.hits).items()}
        hits[axis] = (place[line[kept]] - start).astype(np.int32)
        return replace(part, integration=part.integration // positions, hits=Hits(**hits))

    def _light(self, position: int) -> NDArray[np.bool_]:
        """Return which lines of a position's frame are not read by every other one, too."""
        own = [item for item in self.stripes.stripes if item.position == position]
        leading = np.concatenate([np.full(item.count, item.leading) for item in own])
        return ~(leading[::-1] if self.stripes.backwards else leading)

    def _window(self, lines: NDArray[np.int64] | slice) -> tuple[Any, Any]:
        return (lines, slice(None)) if self.stripes.along_rows else (slice(None), lines)

    def _parts(self) -> tuple[tuple[Any, Any], ...]:
        """Return the parts of one position's frame whose pixels are neighbours."""
        counts = [item.count for item in self.stripes.stripes if item.position == 0]
        edges = np.cumsum([0, *(counts[::-1] if self.stripes.backwards else counts)])
        parts = [slice(int(a), int(b)) for a, b in pairwise(edges)]
        return tuple(self._window(part) for part in parts)


def _joined(made: list[Ramps]) -> Ramps:
    """Return exposures of one integration each as one."""
    zero = [ramps.zero_frame for ramps in made if ramps.zero_frame is not None]
    return Ramps(
        counts=np.concatenate([ramps.counts for ramps in made]),
        zero_frame=np.concatenate(zero) if zero else None,
        reference_output=None,
        deposits=tuple(
            replace(part, integration=number)
            for number, ramps in enumerate(made)
            for part in ramps.deposits
        ),
        first_full=np.concatenate([ramps.first_full for ramps in made]),
    )
