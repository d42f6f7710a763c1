"""Makes the reference files that an exposure needs and enters them into a cache."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from calcore.errors import PluginBroken
from calcore.simulate import reference_detector, reference_optics
from calcore.simulate.instrument_tables import SimulatedInstrument
from calcore.simulate.optics import PointSpread, point_spread
from calcore.simulate.readout import clocking
from calcore.simulate.reference_cache import ReferenceCache
from calcore.simulate.reference_io import Setup
from calcore.simulate.reference_optics import OpticsSetup
from calcore.simulate.spectrograph import Spectrograph
from calcore.simulate.tables import Detector, Filter

ASDF_KINDS = (
    "distortion", "filteroffset", "abvegaoffset", "emicorr", "sirskernel", "parameters"
)  # fmt: skip
GROUPED_KINDS = ("dark", "reset")
BANDED_KINDS = ("flat", "area")


def make_references(
    instrument: SimulatedInstrument,
    setup: Setup,
    rows: Mapping[str, Mapping[str, Any]],
    cache: ReferenceCache,
    progress: Callable[[str], None] | None = None,
    *,
    operations: bool = False,
    optics: bool = True,
    spectrograph: Spectrograph | None = None,
) -> list[Path]:
    """Make all reference files of a detector and a filter that are not in the cache yet.

    Parameters
    ----------
    instrument
        Brings the table of reference types.
    setup
        The exposure's detector and settings; its `table` is set here, type by type.
    rows
        The types that its mode needs.
    cache
        Where the files go.
    progress
        Told each type.
    operations
        Make the types that hold parameters of the reference pipeline too.
    optics
        Make the types that belong to an image of the sky too.
    spectrograph
        Brings types of its own, and tells which of the image's it needs.

    Returns
    -------
    list of Path
        All files that the exposure needs, new or not.
    """
    paths = []
    exact = frozenset({*_seen(instrument, cache), setup.filter.name})
    makers = {**instrument.makers, **({} if spectrograph is None else spectrograph.makers)}
    for type_, row in rows.items():
        kind = row["kind"]
        if kind == "parameters" and not operations:
            continue
        if kind in reference_optics.MAKERS and not (optics or row.get("spectral", False)):
            continue
        if row.get("interleaved", False) and setup.interleaved is None:
            continue
        own = replace(setup, table=_table(instrument, setup, type_, row))
        match = [own.value(key) for key in row["parkey"]]
        path, missing = cache.place(
            type_,
            row["parkey"],
            match,
            use_after=own.use_after,
            recipe=_recipe(own, kind, exact, spectrograph),
            length=own.plan.n_groups if kind in GROUPED_KINDS else 0,
            extension=row.get(
                "extension", "asdf" if row.get("asdf", kind in ASDF_KINDS) else "fits"
            ),
        )
        paths.append(path)
        if not missing:
            continue
        if progress is not None:
            progress(type_)
        if kind in reference_detector.MAKERS:
            reference_detector.MAKERS[kind](own, path)
        elif kind in reference_optics.MAKERS:
            reference_optics.MAKERS[kind](_optics(instrument, own, exact), path)
        elif kind in makers:
            makers[kind](own, path)
        else:
            everything = {*reference_detector.MAKERS, *reference_optics.MAKERS, *makers}
            known = ", ".join(sorted(everything))
            raise PluginBroken(
                f"{instrument.package}: table simulate, references.{type_}: there is no kind "
                f"{kind!r} of reference; known: {known}"
            )
    return paths


def _seen(instrument: SimulatedInstrument, cache: ReferenceCache) -> set[str]:
    """Return the filters that the cache has a flat field of."""
    kept = [dict(zip(e.parkey, e.match, strict=True)) for e in cache.entries if e.type == "flat"]
    return {
        chosen.name
        for chosen in instrument.filters.values()
        for keys in kept
        if keys.get("FILTER") == (chosen.header_value or None)
        and keys.get("PUPIL", chosen.pupil) == chosen.pupil
    }


def _optics(instrument: SimulatedInstrument, setup: Setup, exact: frozenset[str]) -> OpticsSetup:
    """Return what a reference before the detector is made from.

    The image of a filter is that of the first detector that has it: one table serves them all.
    """
    by_channel: dict[str, Detector] = {}
    for name in instrument.table["detector"]:
        detector = instrument.detectors[name]
        by_channel.setdefault(detector.channel, detector)

    def spread(chosen: Filter) -> PointSpread:
        return point_spread(by_channel[chosen.channel], chosen, seed=setup.seed)

    def width(chosen: Filter) -> float:
        steradian = by_channel[chosen.channel].pixel_area_sr
        return float(np.degrees(np.sqrt(steradian)) * 3600)

    return OpticsSetup(
        setup=setup,
        filters=instrument.filters,
        detectors=list(instrument.table["detector"]),
        point_spread=spread,
        pixel_width=width,
        exact=exact,
    )


def _table(
    instrument: SimulatedInstrument, setup: Setup, type_: str, row: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a type's row with what its maker needs of the rest of the instrument's tables."""
    table = dict(row)
    table["patterns"] = list(instrument.patterns)
    if row["kind"] == "emicorr":
        readout = instrument.table["readout"]
        detectors = [instrument.detectors[name] for name in instrument.table["detector"]]
        fast = {
            name: clocking(readout, detector, subarray, slow=False)
            for detector in detectors
            for name, subarray in detector.subarrays.items()
            if name in readout["subarray"]
        }
        full = readout["subarray"]["FULL"]
        if "slow_row_clocks" in full:
            fast["FULL_SLOW"] = clocking(readout, setup.detector, setup.detector.full, slow=True)
        fast["FULL_FAST"] = fast.pop("FULL")
        table["clocks"] = fast
        table["detectors"] = [detector.name for detector in detectors]
    if row["kind"] == "sirskernel":
        readout, detector = instrument.table["readout"], setup.detector
        table["full_clocks"] = clocking(readout, detector, detector.full, slow=False)
    table["type"] = type_
    return table


def _recipe(
    setup: Setup, kind: str, exact: frozenset[str], spectrograph: Spectrograph | None
) -> str:
    """Return a word for all that a file depends on, the number of groups left out."""
    parts: list[object] = [
        version("calcore"),
        setup.seed,
        setup.physics,
        setup.effects,
        setup.quality,
        setup.detector.name,
        setup.area,
        sorted((key, repr(value)) for key, value in setup.table.items()),
        setup.exposure_type,
    ]
    if setup.interleaved is not None:
        parts.append(setup.plan.clocking)
    if kind in GROUPED_KINDS:
        parts += [setup.plan.pattern, setup.plan.clocking, setup.outputs]
    if kind in BANDED_KINDS:
        parts.append(setup.filter)
    if kind == "apcorr":
        parts.append(sorted(exact))
    if spectrograph is not None and kind in spectrograph.makers:
        effects = setup.effects
        on = (effects.fringes, effects.stray_light, effects.leak, effects.ageing)
        parts += [spectrograph.recipe, on]
    text = "\n".join(map(repr, parts))
    return hashlib.sha256(text.encode()).hexdigest()[:24]
