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
        It is not JSON, or a product has no members, or a member no name or role.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise AssociationInvalid(f"{path}: cannot be read as an association: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("products"), list):
        raise AssociationInvalid(f"{path}: an association needs a list of products")
    products = tuple(_product(path, entry) for entry in content["products"])
    return Association(
        path,
        str(content.get("asn_type", "")),
        products,
        identity=str(content.get("asn_id") or ""),
        pool=str(content.get("asn_pool") or "none"),
    )


def _product(path: Path, entry: Any) -> Product:
    if not isinstance(entry, dict) or not entry.get("members"):
        raise AssociationInvalid(f"{path}: every product needs members")
    members = []
    for member in entry["members"]:
        if "expname" not in member or "exptype" not in member:
            raise AssociationInvalid(f"{path}: a member needs expname and exptype: {member}")
        members.append(Member(str(member["expname"]), str(member["exptype"])))
    name = entry.get("name") or Path(members[0].file).stem.rpartition("_")[0]
    return Product(str(name), tuple(members))
