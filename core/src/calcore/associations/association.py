"""Association files: which exposures make which product, as JSON (jwst-pipeline documentation, "Associations")."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcore.errors import AssociationInvalid


@dataclass(frozen=True)
class Member:
    """An exposure of a product: file name as the association has it, and role."""

    file: str
    role: str


@dataclass(frozen=True)
class Product:
    """A product: its name without suffix, and its members."""

    name: str
    members: tuple[Member, ...]

    @property
    def roles(self) -> frozenset[str]:
        """Roles that members have."""
        return frozenset(member.role for member in self.members)


@dataclass(frozen=True)
class Association:
    """An association file.

    Attributes
    ----------
    path : Path
        The file.
    type : str
        What it is for, such as ``image3``.
    products : tuple of Product
        What to make of it.
    identity : str
        Its ``asn_id``, which is part of the names of exposures that it changes.
    pool : str
        Its ``asn_pool``: the list of exposures that it was made from.
    """

    path: Path
    type: str
    products: tuple[Product, ...]
    identity: str = ""
    pool: str = "none"

    @property
    def stage(self) -> str:
        """``"3"`` for associations that combine exposures, ``"2"`` for the others."""
        return "3" if self.type.endswith("3") else "2"


def load(path: Path) -> Association:
    """Read an association file.

    Raises
    ------
    AssociationInvalid
        It is not JSON or names no stage, or a product has no members or a name that is no file's,
        or a member no name or role, or is there twice.
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
    kind = str(content.get("asn_type", ""))
    if not kind.endswith(("2", "3")):
        raise AssociationInvalid(
            f"{path}: its asn_type is {kind!r}, but must end with the stage, such as image2 or "
            "image3; correct it"
        )
    return Association(
        path,
        kind,
        tuple(_product(path, entry) for entry in entries),
        identity=str(content.get("asn_id") or ""),
        pool=str(content.get("asn_pool") or "none"),
    )


def _product(path: Path, entry: Any) -> Product:
    listed = entry.get("members") if isinstance(entry, dict) else None
    if not (isinstance(listed, list) and listed):
        raise AssociationInvalid(f"{path}: every product needs a list of members; add it")
    members = tuple(_member(path, member) for member in listed)
    name = str(entry.get("name") or Path(members[0].file).stem.rpartition("_")[0])
    if Path(name).name != name:
        raise AssociationInvalid(
            f"{path}: a product is called {name!r}, which is no name of a file; rename it"
        )
    for member in members:
        if members.count(member) > 1:
            raise AssociationInvalid(
                f"{path}: product {name} has the member {member.file} twice; remove one"
            )
    if not any(member.role == "science" for member in members):
        raise AssociationInvalid(
            f"{path}: product {name} has no member of exptype science; correct it"
        )
    return Product(name, members)


def _member(path: Path, entry: Any) -> Member:
    if not (isinstance(entry, dict) and entry.get("expname") and entry.get("exptype")):
        raise AssociationInvalid(f"{path}: a member needs expname and exptype: {entry}; add them")
    return Member(str(entry["expname"]), str(entry["exptype"]).lower())
