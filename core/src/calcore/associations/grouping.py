"""Make associations of a set of exposures.

What a header does not tell cannot be used: the proposal's numbers of targets, which are numbered here
in the order in which they come, and its links between observations.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from calcore.associations import imaging, spectroscopy
from calcore.associations.exposures import Exposure
from calcore.associations.made import ACQUISITION, Grouping, Made, numbered, targets_of
from calcore.errors import UsageError


def group(
    exposures: Iterable[Exposure],
    *,
    levels: Sequence[int] = (2, 3),
    by: str = "observation",
    name: str = "",
) -> Grouping:
    """Make associations of a set of exposures; what gives neither images nor spectra is left out.

    Parameters
    ----------
    exposures
        Of any kind.
    levels
        2, 3 or both.
    by
        Combine what is of one ``"observation"``, or of one ``"target"``.
    name
        Name of the combined product; if empty, it is made of what the product holds.

    Raises
    ------
    UsageError
        There is a `name`, and not a single combined product.
    """
    found = Grouping()
    images: list[Exposure] = []
    spectra: list[Exposure] = []
    for own in sorted(exposures, key=lambda item: item.root):
        if own.pipelines.get("2") == imaging.PIPELINES[2] or own.role == ACQUISITION:
            images.append(own)
        elif own.association:
            spectra.append(own)
        else:
            found.leave_out(own.root, f"{own.exposure_type} exposures make no images of the sky")
    both = sorted([*images, *spectra], key=lambda item: item.root)
    targets = targets_of(both)
    made: list[Made] = []
    if 2 in levels:
        made += imaging.each(images, targets, found)
        made += spectroscopy.each(spectra, images, targets)
    if 3 in levels:
        combined = imaging.combined(images, targets, by, found)
        combined += spectroscopy.combined(spectra, images, targets, by, found)
        if name:
            combined = [_called(name, combined)]
        made += combined
    found.made = numbered(made)
    return found


def _called(name: str, combined: Sequence[Made]) -> Made:
    """Return the only combined product under a name of the user's."""
    if len(combined) != 1:
        names = ": " + ", ".join(item.product.name for item in combined) if combined else ""
        raise UsageError(
            f"{name} cannot be the name of {len(combined)} combined products{names}; give the "
            "exposures of one"
        )
    return replace(combined[0], product=replace(combined[0].product, name=name))
