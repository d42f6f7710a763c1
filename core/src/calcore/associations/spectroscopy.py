"""Which spectra make one product.

What differs from mode to mode is said by the exposure type (`association` in an instrument's
``exposure_types.toml``): the names of its rules, ``each``, ``combined`` and ``background``; with which
dither patterns exposures are each other's background (``nods``), and the rule then (``nod``); what a
background has in common with what it is subtracted from, beside detector, elements and sub-array
(``setting``); which acquisitions belong to an exposure (``confirmations``); and whether products are
called by elements (``named_by_elements``).
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from calcore.associations.exposures import BACKGROUND, IMPRINT, TIME_SERIES, Exposure
from calcore.associations.made import (
    Grouping,
    Made,
    Targets,
    acquisitions_of,
    alike,
    association,
    keep,
    product_name,
)
from calcore.associations.rules import ALIKE, NOT_SUBTRACTED, SPECTRA, Rule

Members = list[tuple[Exposure, str]]


def each(spectra: Sequence[Exposure], images: Sequence[Exposure], targets: Targets) -> list[Made]:
    """Make an association of level 2 of each exposure, with the backgrounds to subtract."""
    made = []
    for own in spectra:
        rule = _rule(own)
        members: Members = [(own, "science")]
        if not own.marks & {BACKGROUND, TIME_SERIES}:
            members += [(item, "background") for item in _behind(own, spectra)]
        confirming = own.association.get("confirmations", ())
        beside = acquisitions_of([own], images)
        members += [pair for pair in beside if pair[0].exposure_type in confirming]
        made.append(association(2, rule, "observation", own.root, members, targets))
    return made


def _rule(own: Exposure) -> Rule:
    """Return the rule of level 2 that an exposure is taken by."""
    if BACKGROUND in own.marks:
        return SPECTRA["background"]
    if TIME_SERIES in own.marks:
        return SPECTRA["series"]
    return Rule(own.association["nod" if own.nodded else "each"], "spec2")


def _behind(own: Exposure, spectra: Sequence[Exposure]) -> list[Exposure]:
    """Return the exposures of an exposure's background: other nods, or those of the background."""
    if own.nodded:
        others = [item for item in spectra if item.nodded and item.root != own.root]
        key = attrgetter("observation", "target")
        beside = [item for item in others if BACKGROUND not in item.marks and key(item) == key(own)]
    else:
        beside = [
            item for item in spectra if BACKGROUND in item.marks and not item.marks & NOT_SUBTRACTED
        ]
    return alike(own, beside)


def combined(
    spectra: Sequence[Exposure],
    images: Sequence[Exposure],
    targets: Targets,
    by: str,
    found: Grouping,
) -> list[Made]:
    """Make associations of level 3: of exposures that are alike, with spectra of their background."""
    groups: dict[tuple[Any, ...], list[Exposure]] = {}
    key = attrgetter(*ALIKE[by])
    for own in spectra:
        rule = _combining(own, by, found)
        if rule is not None:
            groups.setdefault((rule, *key(own)), []).append(own)
    made: dict[str, Made] = {}
    for (rule, *_), science in groups.items():
        members: Members = [(own, "science") for own in science]
        members += acquisitions_of(science, images)
        if rule.subtracts:
            behind = {item.root: item for own in science for item in _behind(own, spectra)}
            members += [(behind[root], "background") for root in sorted(behind)]
        name = product_name(science[0], targets, by)
        one = association(3, rule, by, name, members, targets)
        keep(made, one, found, of_target=rule.subtracts)
    return list(made.values())


def _combining(own: Exposure, by: str, found: Grouping) -> Rule | None:
    """Return the rule of level 3 that an exposure is taken by; what is taken by none is told."""
    told, series = own.association, SPECTRA["combined series"]
    if TIME_SERIES in own.marks and own.pipelines.get("3") == series.type:
        if by == "observation":
            return series
        why = "a time series is combined with others of its observation"
    elif IMPRINT in own.marks:
        why = "an imprint is no spectrum of the sky"
    elif TIME_SERIES in own.marks or "combined" not in told:
        why = f"{own.exposure_type} exposures are combined as time series, or not at all"
    elif BACKGROUND in own.marks:
        return Rule(told["background"], "spec3")
    elif "nods" in told and not own.nodded:
        why = f"{own.exposure_type} exposures are combined if the dithers are nods along the slit"
    else:
        return Rule(told["combined"], "spec3", subtracts=True)
    found.leave_out(own.root, why, 3)
    return None
