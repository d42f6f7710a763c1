"""Make associations of a set of images.

What a header does not tell cannot be used: the proposal's numbers of targets, which are numbered here
in the order in which they come, and its links between observations: a background is subtracted from
the exposures of its program that have none in their own observation.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

from calcore.associations.association import Member, Product
from calcore.associations.exposures import BACKGROUND, NOT_SCIENCE, PSF, Exposure
from calcore.associations.rules import (
    ALIKE,
    BACKGROUND_ALIKE,
    IDENTITIES,
    NAMES,
    NOT_SUBTRACTED,
    NOT_TAKEN,
    RULES,
    Rule,
)
from calcore.errors import UsageError

_ACQUISITION = "target_acquisition"
_PIPELINES = {2: "image2", 3: "image3"}


@dataclass(frozen=True, kw_only=True)
class Made:
    """An association of one product.

    Attributes
    ----------
    level : int
        2 or 3.
    rule : str
        The rule that made it.
    type, program, identity, target : str
        ``asn_type``, ``program``, ``asn_id`` and ``target`` of the file.
    product : Product
        Its product.
    exposures : tuple of Exposure
        The product's members, in their order.
    number : int
        Tells apart those of the same type and identity.
    """

    level: int
    rule: str
    type: str
    program: str
    identity: str
    target: str
    product: Product
    exposures: tuple[Exposure, ...]
    number: int = 1

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"jw{self.program}-{self.identity}_{self.type}_{self.number:05d}_asn.json"

    @property
    def marks(self) -> tuple[str, ...]:
        """What its science exposures are beside images, such as ``moving target``."""
        pairs = zip(self.product.members, self.exposures, strict=True)
        return tuple(
            sorted({m for member, own in pairs if member.role == "science" for m in own.marks})
        )


@dataclass
class Grouping:
    """Associations of a set of exposures, and by reason what is in none, or in none of level 3."""

    made: list[Made] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    not_combined: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, name: str, why: str, level: int = 2) -> None:
        """Remember that an exposure or a product is left out; without a reason nothing is said."""
        said = self.left_out if level == 2 else self.not_combined
        if why and name not in said.setdefault(why, []):
            said[why].append(name)


def group(
    exposures: Iterable[Exposure],
    *,
    levels: Sequence[int] = (2, 3),
    by: str = "observation",
    name: str = "",
) -> Grouping:
    """Make associations of a set of exposures; what is no image is left out.

    Parameters
    ----------
    exposures
        Of any kind.
    levels
        2, 3 or both.
    by
        Combine what is of one ``"observation"``, or of one ``"target"``.
    name
        Name of the combined product; if empty, it is made of what the product holds.

    Raises
    ------
    UsageError
        There is a `name`, and not a single combined product.
    """
    found = Grouping()
    images = []
    for own in sorted(exposures, key=lambda item: item.root):
        if own.pipelines.get("2") == _PIPELINES[2] or own.role == _ACQUISITION:
            images.append(own)
        else:
            found.leave_out(own.root, f"{own.exposure_type} exposures make no images of the sky")
    targets = _targets(images)
    made: list[Made] = []
    if 2 in levels:
        made += _each(images, targets, found)
    if 3 in levels:
        combined = _combined(images, targets, by, found)
        if name:
            combined = [_called(name, combined)]
        made += combined
    found.made = _numbered(made)
    return found


def _targets(images: Sequence[Exposure]) -> dict[tuple[str, str], int]:
    """Number the targets of each program from 1, in the order in which they come."""
    numbers: dict[tuple[str, str], int] = {}
    for own in images:
        known = sum(program == own.program for program, _ in numbers)
        numbers.setdefault((own.program, own.target), known + 1)
    return numbers


def _taken(images: Iterable[Exposure], level: int, found: Grouping) -> list[Exposure]:
    """Return the exposures that a level has rules for."""
    taken = []
    for own in images:
        reasons = [why for mark, why in NOT_TAKEN[level].items() if mark in own.marks]
        for why in reasons:
            found.leave_out(own.root, why, level)
        if own.pipelines.get(str(level)) != _PIPELINES[level]:
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


def _each(
    images: Sequence[Exposure], targets: dict[tuple[str, str], int], found: Grouping
) -> list[Made]:
    """Make an association of level 2 of each exposure, with the backgrounds to subtract."""
    taken = _taken(images, 2, found)
    backgrounds = [
        own for own in taken if BACKGROUND in own.marks and not own.marks & NOT_SUBTRACTED
    ]
    made = []
    for own in taken:
        rule = _rule(own, 2)
        others = _alike(own, backgrounds) if rule.subtracts else []
        members = [(own, "science"), *((item, "background") for item in others)]
        made.append(_association(2, rule, "observation", own.root, members, targets))
    return made


def _alike(exposure: Exposure, backgrounds: Iterable[Exposure]) -> list[Exposure]:
    """Return the backgrounds for an exposure: of its observation if there are any."""
    key = attrgetter(*BACKGROUND_ALIKE)
    own = [item for item in backgrounds if key(item) == key(exposure)]
    return [item for item in own if item.observation == exposure.observation] or own


def _combined(
    images: Sequence[Exposure], targets: dict[tuple[str, str], int], by: str, found: Grouping
) -> list[Made]:
    """Make associations of level 3: of exposures that are alike, beside their acquisitions."""
    groups: dict[tuple[Any, ...], list[Exposure]] = {}
    key = attrgetter(*ALIKE[by])
    for own in _taken(images, 3, found):
        groups.setdefault((_rule(own, 3), *key(own)), []).append(own)
    acquisitions = [own for own in images if own.role == _ACQUISITION]
    made: dict[str, Made] = {}
    for (rule, *_), science in groups.items():
        members = [(own, "psf" if PSF in own.marks else "science") for own in science]
        if all(role == "psf" for _, role in members):
            for own in science:
                found.leave_out(own.root, "reference stars alone make no combined image", 3)
            continue
        visits = {(own.instrument, own.program, own.observation) for own in science}
        members += [
            (own, own.role)
            for own in acquisitions
            if (own.instrument, own.program, own.observation) in visits
        ]
        name = _name(science[0], targets, by)
        one = _association(3, rule, by, name, members, targets)
        if name in made:  # of the target and of the background: that of the target is made
            why = "there is one of this name of the target"
            found.leave_out(f"{name} of the background", why, 3)
            one = made[name] if rule.of else one
        made[name] = one
    return list(made.values())


def _association(
    level: int,
    rule: Rule,
    by: str,
    name: str,
    members: Sequence[tuple[Exposure, str]],
    targets: dict[tuple[str, str], int],
) -> Made:
    first = members[0][0]
    number = targets[first.program, first.target]
    return Made(
        level=level,
        rule=NAMES[by] + rule.name,
        type=rule.type,
        program=first.program,
        identity=_identity(first, by),
        target=str(number) if level == 2 else f"t{number:03d}",
        product=Product(name, tuple(Member(_file(own, level), role) for own, role in members)),
        exposures=tuple(own for own, _ in members),
    )


def _identity(exposure: Exposure, by: str) -> str:
    return IDENTITIES[by].format(observation=exposure.observation)


def _name(first: Exposure, targets: dict[tuple[str, str], int], by: str) -> str:
    """Return the name of a combined product."""
    target = f"t{targets[first.program, first.target]:03d}"
    elements = "-".join(first.elements) or "clear"
    part = "" if first.subarray == "FULL" else f"-{first.subarray.lower()}"
    return (
        f"jw{first.program}-{_identity(first, by)}_{target}_{first.instrument.lower()}_"
        f"{elements}{part}"
    )


def _file(exposure: Exposure, level: int) -> str:
    """Return the name of the file that a level takes of an exposure."""
    ints = "ints" if exposure.each_integration and NOT_SCIENCE not in exposure.marks else ""
    return f"{exposure.root}_{'rate' if level == 2 else 'cal'}{ints}.fits"


def _called(name: str, combined: Sequence[Made]) -> Made:
    """Return the only combined product under a name of the user's."""
    if len(combined) != 1:
        names = ": " + ", ".join(item.product.name for item in combined) if combined else ""
        raise UsageError(
            f"{name} cannot be the name of {len(combined)} combined products{names}; give the "
            "exposures of one"
        )
    return replace(combined[0], product=replace(combined[0].product, name=name))


def _numbered(made: Sequence[Made]) -> list[Made]:
    """Number associations that are called the same: from the last, as the reference pipeline does."""
    numbers: dict[str, int] = {}
    numbered = []
    for own in reversed(made):
        number = numbers.get(own.file, 0) + 1
        numbers[own.file] = number
        numbered.append(replace(own, number=number))
    return numbered[::-1]
