"""Scores of a visit that a program calibrated."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from benchmarks.truth_banding import Banding, Lines, banding
from benchmarks.truth_exposure import ExposureTruth, read_calibrated
from benchmarks.truth_photometry import exposure_stars, mosaic_stars
from benchmarks.truth_rates import FlagScore, HitScore, RateScore, Scores
from benchmarks.truth_reference import (
    PinkNoise,
    ReferencePixels,
    amplifier_means,
    interleaved_means,
)
from benchmarks.truth_stars import FluxScore, PlaceScore, Stars, flux_scores, place_scores
from benchmarks.truth_visits import (
    Observed,
    Visit,
    geometry_of,
    instrument_of,
    spread_of,
)

from calcore.simulate.readout import clocking


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a program made of a visit.

    Attributes
    ----------
    visit, program
        Who and what.
    rates
        Scores of count rates by kind of pixel.
    flags, hits
        False flags by flux, and hits by size.
    saturated
        Part of the light-sensitive pixels that reach their full well.
    banding
        What 1/f noise leaves in lines, of each exposure.
    fluxes, places
        Scores of stars, in exposures ("cal") and in mosaics ("i2d").
    """

    visit: Visit
    program: str
    rates: dict[str, list[RateScore]] = field(default_factory=dict)
    flags: list[FlagScore] = field(default_factory=list)
    hits: list[HitScore] = field(default_factory=list)
    saturated: float = 0.0
    banding: list[Banding] = field(default_factory=list)
    fluxes: dict[str, list[FluxScore]] = field(default_factory=dict)
    places: dict[str, list[PlaceScore]] = field(default_factory=dict)


def measure(observed: Observed, program: str, products: Path) -> Result:
    """Score the products of a program in a folder; count rates where a visit is for these."""
    visit = observed.visit
    if visit.lattice is not None:
        return _stars(observed, program, products)
    scores = Scores()
    full, bands, lines = [], [], lines_of(visit)
    for truth in observed.truths():
        calibrated = read_calibrated(products, truth.root)
        scores.add(truth, calibrated, reference_pixels(visit, truth))
        full.append(np.mean(truth.signal_share()[truth.active] >= 1))
        bands.append(banding(products, truth, lines))
    return Result(
        visit=visit,
        program=program,
        rates={kind: scores.rates(kind) for kind in scores.kinds},
        flags=scores.false_flags(),
        hits=scores.hits(),
        saturated=float(np.mean(full)),
        banding=bands,
    )


def lines_of(visit: Visit) -> Lines:
    """Return how the frames of a visit are read."""
    instrument, geometry = instrument_of(visit), geometry_of(visit)
    clocks = clocking(instrument.table["readout"], geometry.detector, geometry.subarray, slow=False)
    along_x = abs(geometry.detector.fast_axis) == 1
    return Lines(along_x=along_x, outputs=1 if clocks.interleaved else clocks.outputs)


def reference_pixels(visit: Visit, truth: ExposureTruth) -> ReferencePixels:
    """Return which reference pixels a correction averages in an exposure of a visit."""
    instrument, geometry = instrument_of(visit), geometry_of(visit)
    electronics = instrument.physics(geometry.detector.name).electronics
    clocks = clocking(instrument.table["readout"], geometry.detector, geometry.subarray, slow=False)
    effects = visit.options.effects
    pink = PinkNoise(
        common=electronics.pink_common_dn * effects.pink_noise,
        own=electronics.pink_amplifier_dn * effects.pink_noise,
        row_samples=clocks.row_samples,
    )
    means = interleaved_means if clocks.interleaved else amplifier_means
    turned = abs(geometry.detector.fast_axis) == 2
    good = truth.reference.T if turned else truth.reference
    found = means(good, clocks.outputs, electronics.read_noise_dn, pink)
    return replace(found, turned=turned)


def _stars(observed: Observed, program: str, products: Path) -> Result:
    """Score the stars of a visit."""
    visit = observed.visit
    spread = spread_of(visit, geometry_of(visit))
    truth_folder = observed.folder / "truth"
    exposures: list[Stars] = []
    for truth in observed.truths():
        calibrated = read_calibrated(products, truth.root)
        groups = int(np.median(calibrated.usable.sum(axis=1)))
        cal, sources = f"{truth.root}_cal.fits", f"{truth.root}_sources.ecsv"
        exposures.append(
            exposure_stars(products / cal, truth_folder / sources, truth, spread, groups)
        )
    kernel = np.zeros((3, 3)) + truth.spread * (not calibrated.corrected)
    if calibrated.corrected:
        kernel[1, 1] = 1.0
    (mosaic,) = products.glob("*-o[0-9]*_t[0-9]*_i2d.fits")
    stars = {
        "cal": Stars.joined(exposures),
        "i2d": mosaic_stars(mosaic, exposures, truth_folder / "scene.ecsv", spread, kernel),
    }
    return Result(
        visit=visit,
        program=program,
        fluxes={name: flux_scores(found) for name, found in stars.items()},
        places={name: place_scores(found) for name, found in stars.items()},
    )
