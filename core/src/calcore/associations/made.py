"""Associations that were made, how they are called, and what is in none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from calcore.associations.association import Member, Product
from calcore.associations.exposures import NOT_SCIENCE, Exposure
from calcore.associations.rules import BACKGROUND_ALIKE, IDENTITIES, NAMES, Rule

ACQUISITION = "target_acquisition"
Targets = dict[tuple[str, str], int]
"""Numbers of targets, by program and name."""


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


def targets_of(exposures: Sequence[Exposure]) -> Targets:
    """Number the targets of each program from 1, in the order in which they come."""
    numbers: Targets = {}
    for own in exposures:
        known = sum(program == own.program for program, _ in numbers)
        numbers.setdefault((own.program, own.target), known + 1)
    return numbers


def alike(exposure: Exposure, backgrounds: Iterable[Exposure]) -> list[Exposure]:
    """Return the backgrounds for an exposure: of its observation if there are any."""
    key = attrgetter(*BACKGROUND_ALIKE)
    own = [item for item in backgrounds if key(item) == key(exposure)]
    return [item for item in own if item.observation == exposure.observation] or own


def association(
    level: int,
    rule: Rule,
    by: str,
    name: str,
    members: Sequence[tuple[Exposure, str]],
    targets: Targets,
) -> Made:
    """Return an association of a product: its members, and the role of each."""
    first = members[0][0]
    number = targets[first.program, first.target]
    return Made(
        level=level,
        rule=NAMES[by] + rule.name,
        type=rule.type,
        program=first.program,
        identity=_identity(first, by),
        target=str(number) if level == 2 else f"t{number:03d}",
        product=Product(
            name, tuple(Member(_file(own, level, role), role) for own, role in members)
        ),
        exposures=tuple(own for own, _ in members),
    )


def _identity(exposure: Exposure, by: str) -> str:
    return IDENTITIES[by].format(observation=exposure.observation)


def product_name(first: Exposure, targets: Targets, by: str) -> str:
    """Return the name of a combined product."""
    target = f"t{targets[first.program, first.target]:03d}"
    elements = "-".join(first.elements) or "clear"
    optics = f"_{elements}" if first.association.get("named_by_elements", True) else ""
    part = "" if first.subarray == "FULL" else f"-{first.subarray.lower()}"
    start = f"jw{first.program}-{_identity(first, by)}_{target}_{first.instrument.lower()}"
    return f"{start}{optics}{part}"


def acquisitions_of(
    science: Sequence[Exposure], exposures: Iterable[Exposure]
) -> list[tuple[Exposure, str]]:
    """Return the acquisitions of the observations that some exposures are of, and their role."""
    visits = {(own.instrument, own.program, own.observation) for own in science}
    return [
        (own, own.role)
        for own in exposures
        if own.role == ACQUISITION and (own.instrument, own.program, own.observation) in visits
    ]


def keep(made: dict[str, Made], one: Made, found: Grouping, *, of_target: bool) -> None:
    """Add a combined product to those by name; of the target's and the background's the target's stays."""
    name = one.product.name
    if name in made:
        why = "there is one of this name of the target"
        found.leave_out(f"{name} of the background", why, 3)
    if of_target or name not in made:
        made[name] = one


def _file(exposure: Exposure, level: int, role: str) -> str:
    """Return the name of the file that a level takes of an exposure in some role."""
    if (level, role) == (3, "background"):
        return f"{exposure.root}_x1d.fits"
    ints = "ints" if exposure.each_integration and NOT_SCIENCE not in exposure.marks else ""
    return f"{exposure.root}_{'rate' if level == 2 else 'cal'}{ints}.fits"


def numbered(made: Sequence[Made]) -> list[Made]:
    """Number associations that are called the same: from the last, as the reference pipeline does."""
    numbers: dict[str, int] = {}
    numbered = []
    for own in reversed(made):
        number = numbers.get(own.file, 0) + 1
        numbers[own.file] = number
        numbered.append(replace(own, number=number))
    return numbered[::-1]
