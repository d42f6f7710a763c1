"""How flicker noise is best looked for in an exposure, by what its draft rates show."""

from dataclasses import fields
from typing import Any

from calcore.citing import Work
from calcore.kernels.flicker_noise import whole_flat
from calcore.kernels.flicker_scene import SceneLimits, scene_figures
from calcore.model import Meta, Ramp
from calcore.model.readout import Readout
from calcore.model.reference import Flat, Gain, ReadNoise
from calcore.steps.scene import rates_of

WORKS = (Work("Rauscher 2024, PASP 136, 015001", fit_method="fft"),)


def limits_of(meta: Meta) -> SceneLimits | None:
    """Return the limits by which settings are chosen, or None if none are known for the exposure."""
    row = meta.facts.exposure_type.data.get("flicker_limits")
    if row is None:
        return None
    return SceneLimits(**{field.name: float(row[field.name]) for field in fields(SceneLimits)})


def chosen(ramp: Ramp, gain: Gain, readnoise: ReadNoise, flat: Flat | None) -> dict[str, Any]:
    """Return the settings that suit an exposure, by their names; none if no limits are known."""
    limits = limits_of(ramp.meta)
    if limits is None or flat is None:
        return {}
    detector = ramp.meta.facts.detector
    readout = Readout.of(ramp.meta, ramp.frame)
    whole = ramp.frame.shape == (detector.rows, detector.columns)
    rate = rates_of(ramp, gain, readnoise, each=False)[0] / whole_flat(flat.data)
    scene = scene_figures(
        rate,
        along_x=abs(detector.flicker_axis or detector.fast_axis) == 1,
        amplifier=readout.amplifier if whole else None,
        scatter_across=ramp.meta.facts.exposure_type.data["flicker_limits"]["scatter_across"],
    )
    return {
        "background_method": limits.background(scene),
        "fit_by_channel": whole and limits.by_amplifier(scene),
        "apply_flat_field": True,
    }
