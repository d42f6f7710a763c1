"""What steps that look for background before ramps are fitted have in common."""

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ModeNotSupported, ReferenceMissing, ShapesDisagree, with_article
from calcore.kernels.draft_rates import draft_rates
from calcore.kernels.flat_field import factor
from calcore.kernels.flicker_mask import background_pixels
from calcore.model import Meta, Ramp
from calcore.model.reference import Flat, Gain, ReadNoise, SceneMask, SpectralTraces, UserMask
from calcore.steps._traces import light_of

Pixels = NDArray[np.bool_]
BY_FLAT, BY_TRACES = "flat", "traces"


def mask_source(meta: Meta) -> str | None:
    """Return what tells where an exposure's science is, or None if nothing need.

    ``"flat"``, ``"traces"``, or a name for plugins.
    """
    source: str | None = meta.facts.exposure_type.data.get("science_mask")
    return source


def check_answered(meta: Meta, slot: str, types: set[str]) -> None:
    """Refuse an exposure whose science regions are to be left out, but that nobody knows.

    Raises
    ------
    ModeNotSupported
        The mask needs the exposure's geometry, and no plugin has given it; or lines of the detector
        were read in stripes, so that traces are not where their reference says.
    ReferenceMissing
        There is no reference of traces.
    KeywordMissing, KeywordInvalid
        Where the wheel rests that turns the traces is not known.
    """
    source = mask_source(meta)
    if source is None or source == BY_FLAT or UserMask.type in types:
        return
    if source == BY_TRACES and SpectralTraces.type in types:
        meta.number("instrument.pupil_position")
        if meta.get("subarray.multistripe_reads1"):
            raise ModeNotSupported(
                f"where traces fall in stripes such as those of {meta.subarray} is not known to "
                f"calcore yet, so {slot} cannot leave them out: set mask_science_regions to false, "
                f"or give a mask with --set {slot}.user_mask=FILE"
            )
        return
    if SceneMask.type in types:
        return
    if source == BY_TRACES:
        raise ReferenceMissing(
            f"{slot} needs {with_article(SpectralTraces.type)} reference to leave out the traces of "
            f"{meta.exposure_type}, and there is none: give one with --ref "
            f"{SpectralTraces.type}=FILE, or set mask_science_regions to false"
        )
    raise ModeNotSupported(
        f"where the {source} of {meta.exposure_type} lie is not known to calcore yet, so {slot} "
        "cannot leave them out: set mask_science_regions to false, or give a mask with "
        f"--set {slot}.user_mask=FILE"
    )


def rates_of(ramp: Ramp, gain: Gain, readnoise: ReadNoise, *, each: bool) -> NDArray[np.float32]:
    """Return draft rates [DN/s] of all integrations, or their mean, (n_int or 1, ny, nx)."""
    return draft_rates(
        ramp.data, ramp.groupdq, ramp.pixeldq, gain.data, readnoise.data,
        group_time_s=ramp.meta.group_time_s, frame_time_s=ramp.meta.frame_time_s,
        n_frames=ramp.meta.frames_per_group, each=each,
    )  # fmt: skip


def background_of(
    ramp: Ramp,
    gain: Gain,
    readnoise: ReadNoise,
    *,
    n_sigma: float,
    each: bool = False,
    fit_histogram: bool = False,
    scene: SceneMask | None = None,
    traces: SpectralTraces | None = None,
    science: Flat | None = None,
    response: NDArray[np.float32] | None = None,
) -> Pixels:
    """Return the pixels of a ramp that show background only, bool (1 or n_int, ny, nx).

    `scene`, `traces` and the flags of `science` say what is left out from the start; rates are divided by
    `response` before sources are looked for.
    """
    rates = rates_of(ramp, gain, readnoise, each=each)
    usable = np.ones(ramp.data.shape[-2:], bool)
    if scene is not None:
        usable &= scene.data == 0
    if traces is not None:
        usable &= ~light_of(traces, ramp)
    if science is not None:
        usable &= factor(science.data, science.dq)[1] & 1 == 0
    if response is not None:
        rates /= response
    return np.stack(
        [background_pixels(rate, usable, n_sigma, fit_histogram=fit_histogram) for rate in rates]
    )


def given_mask(mask: UserMask, ramp: Ramp) -> Pixels:
    """Return a user's mask as bool (1 or n_int, ny, nx).

    Raises
    ------
    ShapesDisagree
        It has planes for another number of integrations.
    """
    planes = mask.data.reshape(-1, *mask.data.shape[-2:])
    if len(planes) not in (1, len(ramp.data)):
        raise ShapesDisagree(
            f"the mask has {len(planes)} planes for an exposure of {len(ramp.data)} integrations; "
            "give one plane, or one for each"
        )
    pixels: Pixels = np.isfinite(planes) & (planes != 0)
    return pixels
