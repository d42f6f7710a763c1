"""Say whether the source is a point or fills the field: what follows corrects and extracts for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from calcore.model import Image, Meta, Reference
from calcore.parameters import Doc
from calcore.step import Rows, Step

SourceType = Literal["POINT", "EXTENDED"]


@dataclass(frozen=True, kw_only=True)
class SrcType(Step):
    """Write SRCTYPE: the user's word, else what is known of the exposure.

    A background fills the field (BKGDTARG); a time series is of a point (TSOVISIT); then counts what the
    proposer said (SRCTYAPT), and last what is usual for the exposure type. Its table says that:
    ``source_type``, POINT if it has none, and ``point_patterns``, words in keywords that dithers for
    points have.
    """

    source_type: Annotated[
        SourceType | None, Doc("What the source is; None: what is known of it.")
    ] = None

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """No pixel is looked at."""
        del meta, references
        return Rows()

    def outgoing(self, meta: Meta) -> Meta:
        """Return the metadata with it, which later steps look at before there are pixels."""
        return meta.set({"target.source_type": self.source_type or source_type(meta)})

    def apply(self, image: Image) -> Image:
        """Write it into the metadata."""
        return image.replace(meta=self.outgoing(image.meta))


def source_type(meta: Meta) -> SourceType:
    """Return what is known of a source."""
    if meta.get("observation.bkgdtarg", False):
        return "EXTENDED"
    if meta.get("visit.tsovisit", False):
        return "POINT"
    said = str(meta.get("target.source_type_apt", "")).upper()
    if said in {"POINT", "EXTENDED"}:
        return "POINT" if said == "POINT" else "EXTENDED"
    known = meta.facts.exposure_type.data
    for name, word in known.get("point_patterns", {}).items():
        if word in str(meta.get(name, "")).upper():
            return "POINT"
    return "EXTENDED" if known.get("source_type") == "EXTENDED" else "POINT"
