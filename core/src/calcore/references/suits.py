"""Whether a reference that somebody named belongs to an exposure."""

from pathlib import Path

from calcore.errors import ReferenceInvalid, with_article
from calcore.io.files import suffix_of
from calcore.io.keywords import keyword_of
from calcore.model import Meta, Reference

_PLACE = (
    "instrument.name", "instrument.detector", "instrument.band", "subarray.fastaxis",
    "subarray.slowaxis",
)  # fmt: skip
_EVERYWHERE = frozenset({"", "N/A", "ANY", "ALL", "GENERIC", "MULTIPLE"})
_EXPOSURES = frozenset({"uncal", "ramp", "rate", "rateints", "cal", "calints", "crf", "i2d"})


def check_suits(path: Path, reference: Reference, meta: Meta) -> None:
    """Check that a reference that somebody named is of the right type and of this detector.

    What the header does not say is believed.

    Raises
    ------
    ReferenceInvalid
        Its header says that it is for something else.
    """
    wanted = {"reftype": reference.type, **{name: meta.get(name) for name in _PLACE}}
    if suffix_of(path) in _EXPOSURES and "reftype" not in reference.meta:
        raise ReferenceInvalid(
            f"{path} is an exposure, not {with_article(reference.type)} reference"
        )
    for name, value in wanted.items():
        told = reference.meta.get(name)
        free = told is None or value is None or str(told).upper() in _EVERYWHERE
        if not free and str(told).upper() != str(value).upper():
            keyword, _ = keyword_of(name) or (name, "")
            raise ReferenceInvalid(
                f"{path} is not for this exposure: its {keyword} is {told}, where {value} is needed; "
                f"give another {reference.type} reference, or correct its header"
            )
