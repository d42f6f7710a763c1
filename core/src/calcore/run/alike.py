"""Whether the exposures that a product is made of belong together."""

from collections.abc import Collection, Sequence

from calcore.associations.association import Product
from calcore.errors import AssociationInvalid
from calcore.model import Meta
from calcore.run.inputs import Exposure


def check_one_instrument(exposures: Sequence[Exposure], product: Product) -> None:
    """Check that all members are of one instrument.

    Raises
    ------
    AssociationInvalid
        They are not.
    """
    instruments = {meta.instrument for meta in _metas(exposures)}
    _refuse_several(instruments, product, "members of {}; make an association for each instrument")


def check_one_filter(exposures: Sequence[Exposure], product: Product) -> None:
    """Check that all members of a mosaic saw the same light.

    Raises
    ------
    AssociationInvalid
        They are not.
    """
    wheels = ("instrument.filter", "instrument.pupil")
    metas = _metas(exposures)
    filters = {" ".join(str(meta[name]) for name in wheels if name in meta) for meta in metas}
    said = (
        "members through {}, and a mosaic of these would have no flux scale; make an association "
    )
    _refuse_several(filters, product, said + "for each filter")


def check_one_type(exposures: Sequence[Exposure], product: Product) -> None:
    """Check that all exposures were taken in one mode, those of the background included.

    Raises
    ------
    AssociationInvalid
        They are not.
    """
    types = {meta.exposure_type for meta in _metas(exposures)}
    said = "members of the types {}; make an association for each"
    _refuse_several(types, product, said)


def _metas(exposures: Sequence[Exposure]) -> list[Meta]:
    return [exposure.meta for exposure in exposures if exposure.meta is not None]


def _refuse_several(found: Collection[str], product: Product, said: str) -> None:
    if len(found) > 1:
        has = said.format(" and ".join(sorted(found)))
        raise AssociationInvalid(f"product {product.name} has {has}")
