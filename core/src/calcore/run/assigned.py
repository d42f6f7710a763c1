"""Which association of level 2 an exposure is of, and what its product is called there."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from calcore.associations.association import Association, Product
from calcore.errors import AssociationInvalid
from calcore.io import files


@dataclass(frozen=True)
class Assigned:
    """What an association of level 2 says of an exposure.

    Attributes
    ----------
    association, product
        The association, and the product of it that the exposure is the science of.
    name : str
        What the exposure's product is called: as the association says if it is the only exposure of
        its product; else each is called after its exposure.
    suffix : str
        What the association wants to be taken of the exposure: ``rate``, ``rateints``, or empty if
        it names another file.
    error : AssociationInvalid, optional
        Why the exposure cannot be made.
    """

    association: Association
    product: Product
    name: str
    suffix: str
    error: AssociationInvalid | None = None

    def refused(self, why: str) -> "Assigned":
        """Return that the exposure cannot be made, and why."""
        remedy = "rename it, or take one of the associations at a time"
        return replace(self, error=AssociationInvalid(f"{self.association.path}: {why}; {remedy}"))


def assign(associations: Iterable[Association]) -> dict[str, Assigned]:
    """Return what associations of level 2 say of exposures, by their root names."""
    found: dict[str, Assigned] = {}
    for association in associations:
        if association.stage != "2":
            continue
        for product in association.products:
            science = [member for member in product.members if member.role == "science"]
            for member in science:
                root, suffix = files.exposure_root(member.file), files.suffix_of(member.file)
                one = Assigned(
                    association,
                    product,
                    product.name if len(science) == 1 else root,
                    suffix if suffix.startswith("rate") else "",
                )
                found[root] = _both(root, found[root], one) if root in found else one
    owners: dict[str, str] = {}
    for root, one in found.items():
        owner = owners.setdefault(one.name, root)
        if owner != root:
            found[root] = one.refused(f"a product of {owner} is called {one.name}, too")
    return found


def _both(root: str, one: Assigned, other: Assigned) -> Assigned:
    """Return what two associations say of an exposure: the same, or that they are at odds."""
    if (one.name, set(one.product.used)) == (other.name, set(other.product.used)):
        return one
    return other.refused(
        f"{one.association.path} makes a product of {root}, too, with another name or other members"
    )
