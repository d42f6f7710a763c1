"""Correcting world coordinates so that stars agree: tweakwcs does the work.

Catalogues are matched in a plane tangent to the sky, and a linear map of that plane is fitted; it
becomes a further frame, ``v2v3corr``, of each image's coordinates (tweakwcs, Cara et al.,
https://tweakwcs.readthedocs.io).
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from astropy.table import Table
from gwcs import WCS
from gwcs.wcs import Step
from tweakwcs import JWSTWCSCorrector, MatchSourceConfusionError, XYXYMatch, align_wcs

from calcore.wcs.pixel_phase import without_phase
from calcore.wcs.sightings import F8, Sighting, to_sky

Geometry = Literal["shift", "rshift", "rscale", "general"]
_SILENT: ContextVar[bool] = ContextVar("_SILENT", default=False)


@dataclass(frozen=True, kw_only=True)
class Matching:
    """How stars are matched and what is fitted.

    Attributes
    ----------
    radius, separation, tolerance : float
        Largest offset looked for, least distance of stars that are told apart, and how well matched
        stars must agree [arcsec].
    histogram : bool
        Look for the offset in a histogram of differences; otherwise begin at `offset` [arcsec].
    least : int
        Fewest matched stars that a fit is made from.
    geometry : str
        ``"shift"``, ``"rshift"`` (and rotation), ``"rscale"`` (and scale) or ``"general"``.
    clips, sigma : int, float
        Rounds of clipping, and its limit [rms].
    rematch : float
        Match again as closely as this, from where a first fit left the images, and fit again
        [arcsec]; that tells apart stars that the first could not. 0: do not.
    phase : bool
        Correct places for the phase in the pixel before stars are matched again.
    """

    radius: float
    separation: float
    tolerance: float
    histogram: bool
    offset: tuple[float, float]
    least: int
    geometry: Geometry
    clips: int
    sigma: float
    rematch: float = 0.0
    phase: bool = False


@dataclass(frozen=True, eq=False)
class Aligned:
    """What became of an image: its coordinates and stars, and how they were found.

    `status` is ``"SUCCESS"``, ``"REFERENCE"``, or says why it is neither; `seen` is then as it was.
    """

    seen: Sighting
    status: str

    @property
    def is_placed(self) -> bool:
        """Whether the image was aligned, or is what others were aligned with."""
        return self.status in {"SUCCESS", "REFERENCE"}


def align(
    sightings: Sequence[Sighting],
    matching: Matching,
    *,
    reference: tuple[F8, ...] | None = None,
    ordered: bool = False,
    expand: bool = False,
) -> list[Aligned]:
    """Align images with each other, or all of them as one with a catalogue.

    Parameters
    ----------
    sightings : sequence of Sighting
        Stars seen in each image.
    matching : Matching
        How stars are matched and what is fitted.
    reference : two or three float64 (n,), optional
        Right ascension and declination of a catalogue [deg], and weights of its stars; without it
        one exposure, that which overlaps the others most or the first if `ordered`, is left as it
        is.
    ordered : bool
        Align in the given order rather than by overlap.
    expand : bool
        Add what each aligned exposure saw to what the next are compared with.

    Returns
    -------
    list of Aligned
        One for each sighting; coordinates are new objects where they changed.
    """
    # tweakwcs is given the first as a catalogue: to take it itself it intersects outlines.
    first = None
    if reference is None and (ordered or not expand):
        first = next((one.exposure for one in sightings if one.x.size), None)
    there = [one for one in sightings if one.exposure == first]
    catalogue = _positions(there) if there else reference
    moving = [k for k, one in enumerate(sightings) if one.exposure != first]
    correctors = {k: _corrector(sightings[k], together=reference is not None) for k in moving}
    _fit(list(correctors.values()), matching, catalogue, ordered=ordered, expand=expand)
    results = [_became(seen, correctors.get(k)) for k, seen in enumerate(sightings)]
    if not matching.rematch or not any(image.status == "SUCCESS" for image in results):
        return results
    close = replace(
        matching, radius=matching.rematch, tolerance=matching.rematch, offset=(0.0, 0.0),
        separation=2 * matching.rematch, histogram=False, rematch=0.0,
    )  # fmt: skip
    placed = [k for k, image in enumerate(results) if image.is_placed]
    moved_on = [results[k].seen for k in placed]
    if matching.phase and reference is None:
        moved_on = without_phase(moved_on, matching.rematch)
    again = align(moved_on, close, reference=reference, ordered=ordered, expand=expand)
    for k, second in zip(placed, again, strict=True):
        lost = f"FAILED: its stars were matched, but too few to within {matching.rematch:g} arcsec"
        results[k] = second if second.is_placed else Aligned(sightings[k], lost)
    return results


def _became(seen: Sighting, corrector: "_Corrector | None") -> Aligned:
    """Return what became of an image; that without a corrector stays where it is."""
    if corrector is None:
        return Aligned(seen, "REFERENCE")
    status = str(corrector.meta.get("fit_info", {}).get("status", "FAILED: empty source catalog"))
    if status == "SUCCESS":
        seen = replace(seen, wcs=_as(WCS, corrector.wcs))
    return Aligned(seen, status)


def _fit(
    correctors: Sequence["_Corrector"],
    matching: Matching,
    catalogue: tuple[F8, ...] | None,
    *,
    ordered: bool,
    expand: bool,
) -> None:
    """Correct images by a catalogue, or without one by each other; what became of each is in its `meta`.

    Given a catalogue to expand and an order, stars of an exposure that could not be aligned are left
    out of it.
    """
    table = None
    if catalogue is not None:
        table = Table(dict(zip(("RA", "DEC", "weight"), catalogue, strict=False)))
    match = XYXYMatch(
        searchrad=matching.radius,
        separation=matching.separation,
        use2dhist=matching.histogram,
        xoffset=matching.offset[0],
        yoffset=matching.offset[1],
        tolerance=matching.tolerance,
    )
    batches = [list(correctors)]
    if table is not None and ordered and expand:
        seeing = [one for one in correctors if len(one.meta["catalog"])]
        exposures = dict.fromkeys(one.meta["group_id"] for one in seeing)
        batches = [
            [one for one in seeing if one.meta["group_id"] == n] for n in exposures
        ] or batches
    for batch in batches:
        try:
            with _quiet():
                grown = align_wcs(
                    batch,
                    refcat=table,
                    enforce_user_order=ordered,
                    expand_refcat=expand,
                    minobj=matching.least,
                    match=match,
                    fitgeom=matching.geometry,
                    nclip=matching.clips,
                    sigma=(matching.sigma, "rmse"),
                    # Only images whose stars join the catalogue are put in order by overlap: unions are slow.
                    group_bb_policy="auto" if expand and not ordered else 0,
                )
        except (MatchSourceConfusionError, ValueError) as error:
            for one in batch:
                one.meta["fit_info"] = {"status": f"FAILED: {error}"}
        else:
            if batch[0].meta.get("fit_info", {}).get("status") == "SUCCESS":
                table = grown


class _Corrector(JWSTWCSCorrector):  # type: ignore[misc]  # tweakwcs says nothing of its types
    """A corrector whose copies share what its coordinates are made of, which it never changes.

    tweakwcs copies correctors, and most of the time that it took went into copies of transforms.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Corrector":
        own = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | _Shared):
                setattr(own, name, deepcopy(value, memo))
        return own


class _Shared(WCS):  # type: ignore[misc]  # gwcs says nothing of its types
    """Coordinates whose copies have their transforms and frames in common.

    tweakwcs, which copies coordinates whenever it looks at them, puts others in their place. It takes
    the bounding box from copies, which the first transform holds: that is an object of each copy's own.
    """

    @property
    def pipeline(self) -> list[Step]:
        """The steps, with a frame and a transform each."""
        return [_SharedStep(step.frame, step.transform) for step in super().pipeline]

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Shared":
        for step in self.pipeline:
            memo |= {id(part): part for part in (step.transform, step.frame)}
        first = self.pipeline[0].transform
        memo[id(first)] = copy(first)
        own = copy(self)
        own.__dict__ = deepcopy(self.__dict__, memo)
        return own


class _SharedStep(Step):  # type: ignore[misc]  # gwcs says nothing of its types
    """A step of coordinates whose copies share its frame and what its transform is made of."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Step:
        return Step(self.frame, copy(self.transform))


def _as(kind: type[WCS], wcs: WCS) -> Any:
    """Return the same coordinates as an object of another class."""
    own = copy(wcs)
    own.__class__ = kind
    return own


def _positions(seen: Sequence[Sighting]) -> tuple[F8, ...]:
    """Return right ascension and declination [deg] of stars, and weights where there are any."""
    sky = np.concatenate([to_sky(one.wcs, one.x, one.y) for one in seen])
    weights = [one.weight for one in seen if one.weight is not None]
    return (*sky.T, *([np.concatenate(weights)] if len(weights) == len(seen) else []))


def _corrector(seen: Sighting, *, together: bool) -> Any:
    """Return what tweakwcs corrects; all that are moved `together` are a group."""
    columns = {"x": seen.x, "y": seen.y}
    if seen.weight is not None:
        columns["weight"] = seen.weight
    info = {"v2_ref": seen.v2_arcsec, "v3_ref": seen.v3_arcsec, "roll_ref": seen.roll_deg}
    catalogue = Table(columns)
    catalogue.meta["name"] = seen.name
    return _Corrector(
        _as(_Shared, seen.wcs),
        info,
        {"catalog": catalogue, "name": seen.name, "group_id": "all" if together else seen.exposure},
    )


class _Hush(logging.Filter):
    """Keeps tweakwcs' loggers from passing anything on while `_quiet` is entered."""

    def filter(self, record: logging.LogRecord) -> bool:
        del record
        return not _SILENT.get()


# Its loggers have levels of their own: that of the parent has no say.
for _name in list(logging.root.manager.loggerDict):
    if _name.partition(".")[0] == "tweakwcs":
        logging.getLogger(_name).addFilter(_Hush())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep tweakwcs from logging and warning: what became of each image is returned."""
    token = _SILENT.set(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _SILENT.reset(token)
