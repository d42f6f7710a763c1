"""Whether the exposures that a product is made of belong together."""

from collections.abc import Sequence

from calcore.associations.association import Product
from calcore.errors import AssociationInvalid
from calcore.run.inputs import Exposure


def check_one_instrument(exposures: Sequence[Exposure], product: Product) -> None:
    """Check that all members are of one instrument.

    Raises
    ------
    AssociationInvalid
        They are not.
    """
    instruments = {item.meta.instrument for item in exposures if item.meta is not None}
    if len(instruments) > 1:
        raise AssociationInvalid(
            f"product {product.name} has members of {' and '.join(sorted(instruments))}; make an "
            "association for each instrument"
        )


def check_one_filter(exposures: Sequence[Exposure], product: Product) -> None:
    """Check that all members of a mosaic saw the same light.

    Raises
    ------
    AssociationInvalid
        They are not.
    """
    wheels = ("instrument.filter", "instrument.pupil")
    metas = [item.meta for item in exposures if item.meta is not None]
    filters = {" ".join(str(meta[name]) for name in wheels if name in meta) for meta in metas}
    if len(filters) > 1:
        raise AssociationInvalid(
            f"product {product.name} has members through {' and '.join(sorted(filters))}, and a "
            "mosaic of these would have no flux scale; make an association for each filter"
        )


def check_one_type(exposures: Sequence[Exposure], product: Product) -> None:
    """Check that all exposures were taken in one mode.

    Raises
    ------
    AssociationInvalid
        They are not.
    """
    types = {item.meta.exposure_type for item in exposures if item.meta is not None}
    if len(types) > 1:
        raise AssociationInvalid(
            f"product {product.name} has science members of the types {' and '.join(sorted(types))}; "
            "make an association for each"
        )
