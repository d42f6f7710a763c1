"""Association files: which exposures make which product, as JSON (jwst-pipeline documentation, "Associations").

Read as the reference pipeline reads them, but for what it would follow and no one can mean: a member
that is there twice, and a product without science exposures, are refused. Of an association of
level 3 it makes the first product alone; here each is made.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcore.associations.purpose import Purpose, known, purpose_of
from calcore.errors import AssociationInvalid
from calcore.io import files

BESIDE = frozenset(
    {"target_acquisition", "engineering", "dark", "flat", "autoflat", "autowave", "tracking"}
)
"""Roles of exposures that are listed beside those of a product, and that no pipeline reads."""

_TAKEN = {"rate": "2", "rateints": "2", "cal": "3", "calints": "3", "crf": "3", "crfints": "3"}


@dataclass(frozen=True)
class Member:
    """An exposure of a product: file name as the association has it, and role.

    `catalogue` is the table of its stars (``tweakreg_catalog``), as the association names it, and
    `group` the name that it shares with those it is aligned with as one (``group_id``); both are
    empty where nothing is said.
    """

    file: str
    role: str
    catalogue: str = ""
    group: str = ""


@dataclass(frozen=True)
class Product:
    """A product: its name without suffix, and its members."""

    name: str
    members: tuple[Member, ...]

    @property
    def roles(self) -> frozenset[str]:
        """Roles that members have."""
        return frozenset(member.role for member in self.members)

    @property
    def used(self) -> tuple[Member, ...]:
        """Members that a pipeline may read."""
        return tuple(member for member in self.members if member.role not in BESIDE)


@dataclass(frozen=True)
class Association:
    """An association file.

    Attributes
    ----------
    path : Path
        The file.
    type : str
        What it is for, such as ``image3``; ``None`` if no rule has made it.
    products : tuple of Product
        What to make of it.
    stage : str
        ``"3"`` for associations that combine exposures, ``"2"`` for the others.
    pipeline : str
        The pipeline that its type asks for, such as ``image2``; that of the exposures if empty.
    identity : str
        Its ``asn_id``, which is part of the names of exposures that it changes.
    pool : str
        Its ``asn_pool``: the list of exposures that it was made from.
    """

    path: Path
    type: str
    products: tuple[Product, ...]
    stage: str
    pipeline: str = ""
    identity: str = ""
    pool: str = "none"


def load(path: Path) -> Association:
    """Read an association file.

    Raises
    ------
    AssociationInvalid
        It is not JSON or of a type that is not known, or a product has no members or a name that is
        no file's, or a member no name or role, or is there twice.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AssociationInvalid(
            f"{path}: cannot be read as an association: {error}; correct it or make it again"
        ) from error
    entries = content.get("products") if isinstance(content, dict) else None
    if not (isinstance(entries, list) and entries):
        raise AssociationInvalid(f"{path}: an association needs a list of products; add it")
    listed = [_members(path, entry) for entry in entries]
    purpose = _purpose(path, content, listed)
    products = tuple(
        _product(path, entry, members, purpose.stage)
        for entry, members in zip(entries, listed, strict=True)
    )
    return Association(
        path,
        str(content.get("asn_type") or "None"),
        products,
        stage=purpose.stage,
        pipeline=purpose.pipeline,
        identity=str(content.get("asn_id") or ""),
        pool=str(content.get("asn_pool") or "none"),
    )


def _purpose(path: Path, content: Mapping[str, Any], listed: Sequence[Sequence[Member]]) -> Purpose:
    """Return what the association is for, by its type, its rule, or what its members are."""
    kind = str(content.get("asn_type") or "")
    purpose = purpose_of(kind, str(content.get("asn_rule") or ""))
    if purpose is not None:
        return purpose
    stages = {_TAKEN.get(files.suffix_of(item.file), "") for own in listed for item in own}
    if kind in {"", "None"} and len(stages) == 1 and "" not in stages:
        return Purpose(stages.pop())
    raise AssociationInvalid(
        f"{path}: its asn_type is {kind!r}, which is none of {known()}; correct it"
    )


def _product(
    path: Path, entry: Mapping[str, Any], members: Sequence[Member], stage: str
) -> Product:
    first = Path(members[0].file)
    name = str(entry.get("name") or files.exposure_root(first))
    if stage == "2" and Path(name).parent == first.parent:
        name = Path(name).name  # lists made of paths say it with the exposure's folder
    if Path(name).name != name:
        raise AssociationInvalid(
            f"{path}: a product is called {name!r}, which is no name of a file; rename it"
        )
    # Products are called as files are, whatever folder these lie in.
    times = Counter((Path(member.file).name, member.role) for member in members)
    for (file, _), number in times.items():
        if number > 1:
            raise AssociationInvalid(
                f"{path}: product {name} has the member {file} twice; remove one"
            )
    if not any(member.role == "science" for member in members):
        raise AssociationInvalid(
            f"{path}: product {name} has no member of exptype science; correct it"
        )
    return Product(name, tuple(members))


def _members(path: Path, entry: Any) -> tuple[Member, ...]:
    listed = entry.get("members") if isinstance(entry, dict) else None
    if not (isinstance(listed, list) and listed):
        raise AssociationInvalid(f"{path}: every product needs a list of members; add it")
    return tuple(_member(path, member) for member in listed)


def _member(path: Path, entry: Any) -> Member:
    if not (isinstance(entry, dict) and entry.get("expname") and entry.get("exptype")):
        raise AssociationInvalid(f"{path}: a member needs expname and exptype: {entry}; add them")
    group = entry.get("group_id")
    return Member(
        str(entry["expname"]),
        str(entry["exptype"]).lower(),
        catalogue=str(entry.get("tweakreg_catalog") or ""),
        group="" if group is None else str(group),
    )
