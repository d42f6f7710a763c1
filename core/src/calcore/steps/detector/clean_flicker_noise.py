"""Take the noise that flickers while frames are read out of ramps."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np

from calcore.errors import ReferenceMissing, StepSkipped
from calcore.kernels.flicker_noise import clean, whole_flat
from calcore.model import Meta, Ramp, Reference
from calcore.model.reference import Flat, Gain, ReadNoise, SceneMask, SpectralTraces, UserMask
from calcore.parameters import Doc, Range, Unit
from calcore.step import ALONE, Room, Step
from calcore.steps._flicker_choice import WORKS, chosen, limits_of
from calcore.steps._flicker_noise import (
    FlickerResult,
    check_settings,
    noise_finder,
    series_of,
    with_layers,
)
from calcore.steps.scene import (
    BY_FLAT,
    BY_TRACES,
    background_of,
    check_answered,
    given_mask,
    mask_source,
)


@dataclass(frozen=True, kw_only=True)
class CleanFlickerNoise(Step):
    """Subtract from every group but the first what its lines have in common, beside the sources.

    Samples with DO_NOT_USE or JUMP_DET tell nothing of the noise.
    """

    required = frozenset({"gain", "readnoise"})
    cites = WORKS
    autoparam: Annotated[
        bool, Doc("Choose background, flat and amplifiers by the data, where known how.")
    ] = False
    fit_method: Annotated[
        Literal["median", "fft"], Doc("Noise is the median of a line, or its low frequencies.")
    ] = "median"
    fit_by_channel: Annotated[
        bool, Doc("Each amplifier of a full frame on its own; with medians only.")
    ] = False
    background_method: Annotated[
        Literal["median", "model", "median_image"] | None,
        Doc("Sky to set aside: a level, a surface, what all integrations show, or none."),
    ] = "median"
    background_box_size: Annotated[
        tuple[int, int] | None, Range(1), Unit("pixel"), Doc("Boxes of the surface: rows, columns.")
    ] = None
    mask_science_regions: Annotated[
        bool, Doc("Leave out where the exposure's mode expects sources.")
    ] = False
    apply_flat_field: Annotated[
        bool, Doc("Divide by the flat field while background and noise are measured.")
    ] = False
    n_sigma: Annotated[
        float, Range(0), Unit("sigma"), Doc("Brighter pixels show a source; 0: none does.")
    ] = 2.0
    fit_histogram: Annotated[
        bool, Doc("Fit a Gaussian to the histogram of rates for level and spread.")
    ] = False
    single_mask: Annotated[bool, Doc("One mask of sources for all integrations.")] = True
    save_mask: Annotated[bool, Doc("Write which pixels show background.")] = False
    save_background: Annotated[bool, Doc("Write the background of each difference.")] = False
    save_noise: Annotated[bool, Doc("Write what is subtracted from each group.")] = False
    displaced_smoothing: Annotated[
        bool, Doc("Smooth with kernels one line and one pixel off, as jwst 3.0.0 does; full frame.")
    ] = False
    subarray_fit: Annotated[
        Literal["prior", "pieces"],
        Doc(
            "Frequencies of sub-arrays: by their expected power; or piece by piece, as jwst 3.0.0."
        ),
    ] = "prior"

    def wanted(self, meta: Meta) -> frozenset[str]:
        """A flat, traces and plugins' masks only where they are needed."""
        source = mask_source(meta) if self.mask_science_regions else None
        flattened = self.apply_flat_field or (self.autoparam and limits_of(meta) is not None)
        unneeded = set() if flattened or source == BY_FLAT else {Flat.type}
        if source != BY_TRACES:
            unneeded.add(SpectralTraces.type)
        if not self.mask_science_regions:
            unneeded.add(SceneMask.type)
        return super().wanted(meta) - unneeded

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Refuse what is not supported."""
        if not meta.facts.exposure_type.data.get("flicker_noise", True):
            raise StepSkipped(f"flicker noise of {meta.exposure_type} is not corrected")
        check_settings(meta, self.background_method, self.fit_method)
        if self.mask_science_regions:
            check_answered(meta, "clean_flicker_noise", set(references))
        if Flat.type in self.wanted(meta) - set(references):
            raise ReferenceMissing(
                "clean_flicker_noise needs a flat for apply_flat_field, autoparam or "
                "mask_science_regions, and there is none; switch them off, or give one with --ref flat=FILE"
            )

    def apply(
        self,
        ramp: Ramp,
        *,
        gain: Gain,
        readnoise: ReadNoise,
        flat: Flat | None = None,
        mask: UserMask | None = None,
        scene: SceneMask | None = None,
        traces: SpectralTraces | None = None,
        room: Room = ALONE,
    ) -> Ramp | FlickerResult:
        """Return the ramp without the noise [DN], and what is to be saved."""
        own = replace(self, **chosen(ramp, gain, readnoise, flat)) if self.autoparam else self
        response = whole_flat(flat.data) if own.apply_flat_field and flat is not None else None
        if mask is not None:
            usable = given_mask(mask, ramp)
        else:
            science = flat if self.mask_science_regions and mask_source(ramp.meta) else None
            usable = background_of(
                ramp, gain, readnoise, n_sigma=self.n_sigma, each=not self.single_mask, scene=scene,
                fit_histogram=self.fit_histogram, science=science, traces=traces, response=response,
            )  # fmt: skip
        method = own.background_method
        series = series_of(ramp, gain, readnoise) if method == "median_image" else None
        noise = noise_finder(
            ramp, frequencies=self.fit_method == "fft", by_amplifier=own.fit_by_channel,
            displaced=self.displaced_smoothing, pieces=self.subarray_fit == "pieces",
        )  # fmt: skip
        keep = self.save_background or self.save_noise
        cleaned = clean(
            ramp.data, ramp.groupdq, usable, noise, n_sigma=self.n_sigma, flat=response,
            background=None if method == "median_image" else method, scene=series, keep=keep,
            box=self.background_box_size, out=room.plane(ramp.data.shape, np.float32),
            ahead=room.ahead,
        )  # fmt: skip
        plane = (usable if len(usable) > 1 else usable[0]).astype(np.float32)
        return with_layers(
            ramp.replace(data=cleaned.data),
            mask=plane if self.save_mask else None,
            flicker_bkg=cleaned.background if self.save_background else None,
            flicker_noise=cleaned.noise if self.save_noise else None,
        )
