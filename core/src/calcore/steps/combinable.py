"""Whether images can be combined, and what to tell of those that can."""

import warnings
from typing import TypeVar

from calcore.errors import DataUnusable, Doubtful, StepSkipped
from calcore.model import Group, Image, Meta
from calcore.model.mosaic import ROWS_AT_ONCE, in_places, told, usable

Member = TypeVar("Member", bound=Image)


def check_exposure(meta: Meta) -> None:
    """Look at whether an exposure is one of those that are combined.

    Raises
    ------
    StepSkipped
        It is not.
    """
    if meta.has_facts and meta.is_time_series:
        raise StepSkipped("the images of a time series are not combined")
    if meta.get("dither.primary_type") == "WFSC":
        raise StepSkipped("images for wavefront sensing (PATTTYPE is WFSC) are not combined")


def check_members(group: Group[Image]) -> None:
    """Look at what a mosaic is to be made of, and warn of what will do it no good.

    Raises
    ------
    StepSkipped, DataUnusable
        See `check_usable`.
    """
    check_usable(group)
    places = in_places(group.members)
    if len(places) > 1:
        _warn(f"exposures lie in places that do not overlap ({told(places)}): nothing ties their "
              "positions and levels of the sky to each other")  # fmt: skip


def check_usable(group: Group[Member]) -> None:
    """Look at whether exposures have pixels that can be combined, and warn of those that have none.

    Raises
    ------
    StepSkipped
        There are images for each integration; or a single exposure, which is only looked at, has no
        pixel that can be used.
    DataUnusable
        No member of an association has one.
    """
    members = group.members
    if any(member.per_integration for member in members):
        raise StepSkipped("there is an image for each integration, and they are not combined")
    names = [str(member.meta.get("filename", "an image")) for member in members]
    empty = [name for name, m in zip(names, members, strict=True) if _is_empty(m)]
    if len(empty) == len(members) and not group.association:
        raise StepSkipped("all pixels are NaN or flagged DO_NOT_USE")
    if len(empty) == len(members):
        raise DataUnusable(
            f"there is nothing to combine: all pixels of {', '.join(empty)} are NaN or flagged "
            "DO_NOT_USE; look at how they were made (calcore info -v FILE)"
        )
    if empty:
        _warn(f"nothing of {', '.join(empty)} is combined: all pixels are NaN or flagged "
              "DO_NOT_USE")  # fmt: skip


def _is_empty(image: Image) -> bool:
    """Tell whether no pixel can be used; most of the time the first rows tell."""
    bands = image.frame.tiles(ROWS_AT_ONCE, image.data.shape[-1])
    return not any(usable(image.cut(band)).any() for band in bands)


def _warn(words: str) -> None:
    warnings.warn(words, Doubtful, stacklevel=4)
