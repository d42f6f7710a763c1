"""An alignment that is believed: what is fitted is checked before anything is moved.

Stars of one exposure that are taken for other stars give a fit, too. It betrays itself by moving the
exposure farther than pointings err, by residuals as large as the distance that stars are matched
within, or by stars that do not agree when they are matched more closely.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from gwcs import WCS

from calcore.wcs.agreement import Movement, Residuals, meets, movement, outwards, residuals
from calcore.wcs.alignment import Aligned, Matching, align
from calcore.wcs.sightings import F8, Sighting


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is believed of a fit; None believes anything.

    Attributes
    ----------
    shift_arcsec, rotation_deg, scale : float, optional
        How far an exposure may be moved and turned, and the change of its scale.
    rms_arcsec : float, optional
        Root mean square of residuals, along either axis.
    """

    shift_arcsec: float | None = None
    rotation_deg: float | None = None
    scale: float | None = None
    rms_arcsec: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Placed:
    """What became of an exposure.

    Attributes
    ----------
    name : str
        Its images.
    status : str
        ``"SUCCESS"``, ``"REFERENCE"``, ``"FAILED: …"`` or ``"REFUSED: …"``.
    movement : Movement
        What was found, moved by or refused.
    matches : int
        Stars that others see as well.
    stars : int
        All that were found.
    rms : four floats
        Of residuals along x and y [pixel], to the east and the north [arcsec].
    lost : bool
        Whether the exposure lies among aligned ones, and is not.
    """

    name: str
    status: str
    movement: Movement
    matches: int
    stars: int
    rms: tuple[float, float, float, float]
    lost: bool = False

    @property
    def reason(self) -> str:
        """Why the exposure was not aligned, without the word that says so."""
        return self.status.partition(": ")[2] or self.status

    @property
    def is_placed(self) -> bool:
        """Whether the exposure was aligned, or is what others were aligned with."""
        return self.status in {"SUCCESS", "REFERENCE"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Solution:
    """Images with their new coordinates, residuals of each, and what became of each exposure."""

    seen: list[Sighting]
    residuals: list[Residuals]
    exposures: dict[Hashable, Placed] = field(default_factory=dict)

    @property
    def wcs(self) -> list[WCS]:
        """Coordinates of each image."""
        return [one.wcs for one in self.seen]

    def undone(self, seen: Sequence[Sighting]) -> "Solution":
        """Return the solution with coordinates as they were, of which nothing is claimed."""
        nothing = [Residuals.unknown(left.x.size) for left in self.residuals]
        exposures = {
            n: replace(item, status="FAILED: too few agree", lost=False) if item.is_placed
            else replace(item, lost=False)
            for n, item in self.exposures.items()
        }  # fmt: skip
        return Solution(seen=list(seen), residuals=nothing, exposures=exposures)

    @property
    def reasons(self) -> str:
        """What became of each exposure that was not aligned."""
        items = self.exposures.values()
        return "; ".join(f"{item.name}: {item.reason}" for item in items if not item.is_placed)

    @property
    def is_found(self) -> bool:
        """Whether any exposure was aligned."""
        return any(placed.status == "SUCCESS" for placed in self.exposures.values())

    @property
    def is_agreed(self) -> bool:
        """Whether exposures were aligned, and more than lie among them and were not."""
        placed = sum(item.is_placed for item in self.exposures.values())
        return self.is_found and placed > len(self.lost)

    @property
    def lost(self) -> list[Hashable]:
        """Exposures that lie among aligned ones, and are not."""
        return [exposure for exposure, placed in self.exposures.items() if placed.lost]


def placed(found: Mapping[str, Solution], exposure: Hashable) -> Placed:
    """Return what became of an exposure, given what was found of ``exposures`` and ``catalogue``.

    Where exposures could not be compared with each other it is what became of all as one.
    """
    others = found.get("exposures")
    if others is not None and (others.is_found or "catalogue" not in found):
        return others.exposures[exposure]
    return found["catalogue"].exposures[0]


def solve(
    sightings: Sequence[Sighting],
    matching: Matching,
    limits: Limits,
    *,
    reference: tuple[F8, ...] | None = None,
    ordered: bool = False,
    expand: bool = False,
) -> Solution:
    """Align images as `align` does, without those whose fit is not believed.

    Where one is not, the others are aligned again without it; where several are not, the worst goes
    first, as it may have drawn the others along.

    Parameters
    ----------
    sightings, matching, reference, ordered, expand
        As for `align`.
    limits : Limits
        What is believed.

    Returns
    -------
    Solution
        Images that were not aligned keep their coordinates.
    """
    images = [Aligned(one, "FAILED: not fitted") for one in sightings]
    believed = list(range(len(sightings)))
    refused: dict[Hashable, Placed] = {}
    while True:
        aligned = align(
            [sightings[k] for k in believed], matching,
            reference=reference, ordered=ordered, expand=expand,
        ) if believed else []  # fmt: skip
        for k, image in zip(believed, aligned, strict=True):
            images[k] = image
        solution = _judged(sightings, images, matching, reference)
        worst = _worst(solution.exposures, limits)
        if worst is None:
            return _with_lost(sightings, replace(solution, exposures=solution.exposures | refused))
        reason = _broken(solution.exposures[worst], limits)
        refused[worst] = replace(solution.exposures[worst], status=f"REFUSED: {reason}")
        believed = [k for k in believed if sightings[k].exposure != worst]
        for k, one in enumerate(sightings):
            if one.exposure == worst:
                images[k] = Aligned(one, "REFUSED")


def solve_by_majority(
    sightings: Sequence[Sighting],
    matching: Matching,
    limits: Limits,
    *,
    ordered: bool = False,
    expand: bool = False,
) -> Solution:
    """Align images as `solve` does, and without the reference if most do not agree with that.

    Unless they are `ordered`, exposures are taken from the first outwards, each after one that it
    lies close to; to look for the largest overlaps first takes a time that grows with the square of
    their number.
    """

    def solved(some: Sequence[Sighting]) -> Solution:
        return solve(some, matching, limits, ordered=True, expand=expand)

    order = list(range(len(sightings))) if ordered else outwards(sightings)
    first = solved([sightings[k] for k in order])
    odd = next((n for n, item in first.exposures.items() if item.status == "REFERENCE"), None)
    if not first.is_agreed and odd is not None:
        others = [k for k in order if sightings[k].exposure != odd]
        second = solved([sightings[k] for k in others])
        if second.is_agreed:
            said = "FAILED: the others agree with each other, and not with it"
            second.exposures[odd] = replace(first.exposures[odd], status=said)
            order, first = others, second
    seen = list(sightings)
    left = [Residuals.unknown(one.x.size) for one in sightings]
    for place, k in enumerate(order):
        seen[k], left[k] = first.seen[place], first.residuals[place]
    exposures = {one.exposure: first.exposures[one.exposure] for one in sightings}
    return _with_lost(sightings, Solution(seen=seen, residuals=left, exposures=exposures))


def _judged(
    sightings: Sequence[Sighting],
    images: Sequence[Aligned],
    matching: Matching,
    reference: tuple[F8, ...] | None,
) -> Solution:
    """Return what was found for each exposure; only those that were placed are compared."""
    placed = [k for k, image in enumerate(images) if image.is_placed]
    moved = [images[k].seen for k in placed]
    left = [Residuals.unknown(one.x.size) for one in sightings]
    for k, found in zip(
        placed, residuals(moved, matching.rematch or matching.tolerance, reference), strict=True
    ):
        left[k] = found
    exposures: dict[Hashable, Placed] = {}
    for exposure in dict.fromkeys(one.exposure for one in sightings):
        own = [k for k, one in enumerate(sightings) if one.exposure == exposure]
        joined = Residuals.joined([left[k] for k in own])
        exposures[exposure] = Placed(
            name=", ".join(sightings[k].name for k in own),
            status=images[own[0]].status,
            movement=movement([sightings[k].wcs for k in own], [images[k].seen.wcs for k in own]),
            matches=int(np.isfinite(joined.x).sum()),
            stars=joined.x.size,
            rms=joined.rms,
        )
    return Solution(seen=[image.seen for image in images], residuals=left, exposures=exposures)


def _figures(placed: Placed, limits: Limits) -> list[tuple[float, str]]:
    """Return how many times beyond a limit each figure is, and what to say of it."""
    moved, (_, _, east, north) = placed.movement, placed.rms
    figures = (
        ("it would be moved by", moved.shift_arcsec, limits.shift_arcsec, " arcsec", "max_shift"),
        ("turned by", abs(moved.rotation_deg), limits.rotation_deg, " deg", "max_rotation"),
        ("scaled by 1 ±", abs(moved.scale), limits.scale, "", "max_scale"),
        ("with residuals of", max(east, north), limits.rms_arcsec, " arcsec (rms)", "max_rms"),
    )
    return [
        (found / limit if limit else np.inf,
         f"{what} {found:.3g}{unit}, and tweakreg.{name} is {limit:g}")
        for what, found, limit, unit, name in figures
        if limit is not None and found > limit
    ]  # fmt: skip


def _broken(placed: Placed, limits: Limits) -> str:
    return "; ".join(said for _, said in _figures(placed, limits))


def _worst(exposures: dict[Hashable, Placed], limits: Limits) -> Hashable | None:
    """Return the exposure that breaks a limit by most, or None."""
    beyond = {
        exposure: max(times for times, _ in figures)
        for exposure, placed in exposures.items()
        if placed.status == "SUCCESS" and (figures := _figures(placed, limits))
    }
    return max(beyond, key=lambda exposure: beyond[exposure], default=None)


def _with_lost(sightings: Sequence[Sighting], solution: Solution) -> Solution:
    """Return the solution with those marked that lie among aligned exposures, and are not."""
    placed = solution.exposures
    there = [solution.wcs[k] for k, one in enumerate(sightings) if placed[one.exposure].is_placed]
    lost = {
        one.exposure
        for one in sightings
        if not placed[one.exposure].is_placed and meets(one.wcs, there)
    }
    return replace(
        solution,
        exposures={n: replace(item, lost=n in lost) for n, item in placed.items()},
    )
