"""Whether the exposures that a product is made of belong together."""

from collections.abc import Collection, Sequence

from calcore.associations.association import Product
from calcore.errors import AssociationInvalid
from calcore.io.keywords import keyword_of
from calcore.model import Meta
from calcore.run.inputs import Exposure

_OPTICS = tuple(f"instrument.{name}" for name in ("detector", "filter", "pupil", "grating", "band"))
"""What an exposure and its background have in common."""


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


def check_background(science: Exposure, background: Exposure, product: Product) -> None:
    """Check that an exposure of the background saw what the exposure did, beside its source.

    What a header does not tell is believed.

    Raises
    ------
    AssociationInvalid
        It is the exposure itself, or of another detector, or through other optics.
    """
    if background.root == science.root:
        raise AssociationInvalid(
            f"product {product.name} has {science.root} as science and as background, and nothing "
            "would be left; name another exposure of the background"
        )
    if science.meta is None or background.meta is None:
        return
    for name in _OPTICS:
        own, other = science.meta.get(name), background.meta.get(name)
        if None not in (own, other) and own != other:
            keyword, _ = keyword_of(name) or (name, "")
            raise AssociationInvalid(
                f"product {product.name}: the background {background.root} has {keyword} {other}, where "
                f"the exposure has {own}; name a background that was taken in the same way"
            )


def _metas(exposures: Sequence[Exposure]) -> list[Meta]:
    return [exposure.meta for exposure in exposures if exposure.meta is not None]


def _refuse_several(found: Collection[str], product: Product, said: str) -> None:
    if len(found) > 1:
        has = said.format(" and ".join(sorted(found)))
        raise AssociationInvalid(f"product {product.name} has {has}")
