"""What an association is for, by its ``asn_type`` (jwst-pipeline documentation, "Associations")."""

import re
from dataclasses import dataclass

_KINDS = ("image2", "spec2", "image3", "spec3", "coron3", "ami3", "tso3")
_TYPE = re.compile(
    rf"(?:(?P<image>(?:tso|wfs|[a-z]+lamp)-image2)|(?P<spec>(?:tso|[a-z]+lamp)-spec2)"
    rf"|(?P<own>wfs-image3|{'|'.join(_KINDS)}))"
)
_LEVEL = re.compile(r"(?:Level|Lv)(?P<stage>[23])")


@dataclass(frozen=True)
class Purpose:
    """What an association is for: a stage, and the pipeline that its type asks for, if one."""

    stage: str
    pipeline: str = ""


def purpose_of(type_name: str, rule: str) -> Purpose | None:
    """Return what an association of a type is for; None if it is not known.

    Types that differ in their data alone share a pipeline: ``tso-image2`` and the images of lamps
    are for ``image2``. Lists that no rule has made (``asn_from_list``) have the type ``None``, and
    only the rule tells the stage; the pipeline is then that of the exposures.
    """
    if type_name in {"", "None"}:
        level = _LEVEL.search(rule)
        return Purpose(level["stage"]) if level else None
    found = _TYPE.fullmatch(type_name)
    if found is None:
        return None
    pipeline = found["own"] or ("image2" if found["image"] else "spec2")
    return Purpose(pipeline[-1], pipeline)


def known() -> str:
    """Return the types that there are, for a message."""
    return ", ".join(
        (*_KINDS, "wfs-image3", "and those with tso- or a lamp before image2 or spec2")
    )
