"""Make count rates of the few reads of guide-star exposures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from calcore.errors import DataUnusable, ModeNotSupported
from calcore.model import Meta, Reference, Window
from calcore.parameters import Doc
from calcore.step import Rows, Step
from calcore_fgs.guide_star import TABLES, Gain, GuideImages, GuideRamp, ReadNoise, covers, part_of
from calcore_fgs.kernels.guide_rates import (
    FOWLER_READS,
    customary_error,
    fowler_difference,
    lesser_difference,
    pair_difference,
    standard_error,
)

# By what the table of exposure types calls it: how reads become a difference, and how many
# integrations and groups that takes.
SAMPLINGS = {
    "pair": (pair_difference, 1, 2),
    "lesser pair": (lesser_difference, 2, 2),
    "fowler": (fowler_difference, 1, 2 * FOWLER_READS),
}


@dataclass(frozen=True, kw_only=True)
class GuiderCds(Step):
    """Difference the reads of each integration and divide by the group time.

    Fine guiding averages four reads at either end (Fowler & Gatley 1990, ApJ 353, L33);
    identification keeps the lesser one of its two integrations, which leaves hits out; all other
    modes subtract the first group from the second. Where strips are laid one after the other, all
    pixels have the mean gain and read noise.
    """

    required: ClassVar[frozenset[str]] = frozenset({"gain", "readnoise"})
    cites = ("Fowler & Gatley 1990, ApJ 353, L33",)

    standard_errors: Annotated[
        bool,
        Doc(
            "Give the standard deviation of the rates. The customary error counts read noise "
            "twice, and the photons' variance times the group time."
        ),
    ] = False

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Refuse exposures without the reads that their mode has, and references that do not fit.

        Raises
        ------
        ModeNotSupported
            The exposure is none of a guide star.
        DataUnusable
            It has too few integrations or groups.
        ReferenceInvalid
            A reference does not cover it.
        """
        _, n_int, n_group = SAMPLINGS[_sampling(meta)]
        for name, number, least in (
            ("integrations", meta.n_integrations, n_int),
            ("groups", meta.n_groups, n_group),
        ):
            if number < least:
                raise DataUnusable(
                    f"{meta.exposure_type} rates need {least} {name}, and the exposure has {number}"
                )
        for reference in references.values():
            if isinstance(reference, Gain | ReadNoise):
                covers(reference.data, reference, meta)

    def apply(self, ramp: GuideRamp, *, gain: Gain, readnoise: ReadNoise) -> GuideImages:
        """Make rates and errors."""
        meta = ramp.meta
        sampling, time = _sampling(meta), meta.group_time_s
        difference = SAMPLINGS[sampling][0](ramp.data)
        per_dn = _pixels(gain, meta, ramp.frame)
        noise = _pixels(readnoise, meta, ramp.frame)
        if self.standard_errors:
            reads = FOWLER_READS if sampling == "fowler" else 1
            lesser = sampling == "lesser pair"
            err = standard_error(difference, per_dn, noise, time, reads=reads, lesser=lesser)
        else:
            err = customary_error(difference, per_dn, noise, time)
        tables: dict[str, Any] = {name: getattr(ramp, name) for name in TABLES}
        return GuideImages(
            meta=meta.set({"bunit_data": "DN/s", "model_type": "GuiderCalModel"}),
            carried=ramp.carried,
            window=ramp.window,
            data=difference / np.float32(time),
            err=err,
            dq=ramp.dq,
            **tables,
        )


def _sampling(meta: Meta) -> str:
    """Return how an exposure is read."""
    sampling = meta.facts.exposure_type.data.get("sampling")
    if sampling not in SAMPLINGS:
        raise ModeNotSupported(f"{meta.exposure_type} exposures are none of a guide star")
    return str(sampling)


def _pixels(reference: Gain | ReadNoise, meta: Meta, window: Window) -> NDArray[np.float32]:
    """Return a reference's values for the exposure, or their mean for each pixel."""
    if covers(reference.data, reference, meta):
        return part_of(reference.data, reference, meta, window)
    return np.full(window.shape, np.nanmean(reference.data), np.float32)
