"""Which images make one product.

A background is subtracted from the exposures of its program that have none in their own observation.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from calcore.associations.exposures import BACKGROUND, PSF, Exposure
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
from calcore.associations.rules import ALIKE, NOT_SUBTRACTED, NOT_TAKEN, RULES, Rule

PIPELINES = {2: "image2", 3: "image3"}


def each(images: Sequence[Exposure], targets: Targets, found: Grouping) -> list[Made]:
    """Make an association of level 2 of each exposure, with the backgrounds to subtract."""
    taken = _taken(images, 2, found)
    backgrounds = [
        own for own in taken if BACKGROUND in own.marks and not own.marks & NOT_SUBTRACTED
    ]
    made = []
    for own in taken:
        rule = _rule(own, 2)
        others = alike(own, backgrounds) if rule.subtracts else []
        members = [(own, "science"), *((item, "background") for item in others)]
        made.append(association(2, rule, "observation", own.root, members, targets))
    return made


def combined(images: Sequence[Exposure], targets: Targets, by: str, found: Grouping) -> list[Made]:
    """Make associations of level 3: of exposures that are alike, beside their acquisitions."""
    groups: dict[tuple[Any, ...], list[Exposure]] = {}
    key = attrgetter(*ALIKE[by])
    for own in _taken(images, 3, found):
        groups.setdefault((_rule(own, 3), *key(own)), []).append(own)
    made: dict[str, Made] = {}
    for (rule, *_), science in groups.items():
        members = [(own, "psf" if PSF in own.marks else "science") for own in science]
        if all(role == "psf" for _, role in members):
            for own in science:
                found.leave_out(own.root, "reference stars alone make no combined image", 3)
            continue
        members += acquisitions_of(science, images)
        name = product_name(science[0], targets, by)
        one = association(3, rule, by, name, members, targets)
        keep(made, one, found, of_target=not rule.of)
    return list(made.values())


def _taken(images: Iterable[Exposure], level: int, found: Grouping) -> list[Exposure]:
    """Return the exposures that a level has rules for."""
    taken = []
    for own in images:
        reasons = [why for mark, why in NOT_TAKEN[level].items() if mark in own.marks]
        for why in reasons:
            found.leave_out(own.root, why, level)
        if own.pipelines.get(str(level)) != PIPELINES[level]:
            why = f"{own.exposure_type} exposures are not combined to one image"
            if own.lacks:
                why = f"{own.exposure_type} exposures are combined by {own.lacks}, which this "
                why += "version does not have"
            found.leave_out(own.root, why if level == 3 and not reasons else "", level)
        elif not reasons:
            taken.append(own)
    return taken


def _rule(exposure: Exposure, level: int) -> Rule:
    return next(rule for rule in RULES[level] if not rule.of or rule.of & exposure.marks)
