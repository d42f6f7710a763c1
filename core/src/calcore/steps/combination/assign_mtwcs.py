"""Let the world coordinates of exposures follow a target that moves among the stars."""

from dataclasses import dataclass
from typing import Annotated

from calcore.errors import StepSkipped
from calcore.model import Group, Image, Meta
from calcore.parameters import Doc
from calcore.step import ALONE, Room
from calcore.steps.approximation import ApproximatingStep
from calcore.wcs.moving import Movement, Place, following, mean_place

KEYWORDS = "wcsinfo.mt_ra", "wcsinfo.mt_dec"


@dataclass(frozen=True, kw_only=True)
class AssignMTWcs(ApproximatingStep):
    """Give all exposures of a moving target coordinates in which it stands still.

    MT_RA and MT_DEC say where it was in the middle of each exposure. A frame ``moving_target``
    becomes the last of the coordinates, in which it is where it was on average; that is kept as
    MT_AVRA and MT_AVDEC. S_REGION and the FITS approximation follow. Stars do not: they are smeared
    over the mosaic, as the target would be otherwise.
    """

    movement: Annotated[
        Movement,
        Doc(
            "The same shift of right ascension and declination everywhere, or a rotation on the "
            "sphere, which keeps angles and distances around the target."
        ),
    ] = "shift"

    def apply(self, group: Group[Image], *, room: Room = ALONE) -> Group[Image]:
        """Return the exposures with coordinates that follow the target."""
        del room  # pixels stay where they are
        metas = [member.meta for member in group.members]
        silent = [meta for meta in metas if any(name not in meta for name in KEYWORDS)]
        if silent:
            names = ", ".join(str(meta.get("filename", "an image")) for meta in silent)
            raise StepSkipped(
                f"MT_RA and MT_DEC do not say where the target was in {names}; exposures are "
                "combined as the stars lie, and the target may be smeared"
            )
        places = [_place(meta) for meta in metas]
        mean = mean_place(places)
        members = []
        for member, place in zip(group.members, places, strict=True):
            wcs = following(member.wcs, place, mean, self.movement)
            meta = self.with_coordinates(member.meta, wcs)
            meta = meta.set({"wcsinfo.mt_avra": mean[0], "wcsinfo.mt_avdec": mean[1]})
            members.append(member.replace(wcs=wcs, meta=meta))
        return group.with_members(members)


def _place(meta: Meta) -> Place:
    return meta.number(KEYWORDS[0]), meta.number(KEYWORDS[1])
