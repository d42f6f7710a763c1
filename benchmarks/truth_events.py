"""How well large events are flagged: snowballs of near-infrared detectors, showers of mid-infrared ones.

    python -m benchmarks.truth_events [--work DIR]

Exposures of a quiet sky are calibrated with each program looking for large events, and by calcore
without single ideas. A sample is spoilt where an event left more than a fifth of the noise of a
difference in it.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.truth_bound import FloatArray
from benchmarks.truth_exposure import TRACK, BoolArray, ExposureTruth, read_calibrated
from benchmarks.truth_rates import grown
from benchmarks.truth_visits import HERE, Visit, calibrate, jwst_python, observe
from scipy.ndimage import binary_dilation

from calcore.simulate import VisitOptions
from calcore.simulate.physics import Effects
from calcore.simulate.sky_options import SkyOptions

WORK = HERE.parent / ".cache" / "truth"
SPOILT, UNTOUCHED = 0.2, 0.05
"""Charge of an event that spoils a sample, and that does no harm [noise of a difference]."""
AROUND = 100
"""How far from an event flags are laid to it [pixel]."""
DIM = SkyOptions(stars=20.0, galaxies=0.0, brightest=0.01, faintest=0.001, slope=0.1, grid=False)


@dataclass(frozen=True, kw_only=True)
class Case:
    """An exposure, and how large events are looked for in it.

    Attributes
    ----------
    visit
        What is observed.
    asked
        Parameters of jump that all programs are given.
    without
        Parameters of calcore that switch an idea of the default profile off, by its name.
    """

    visit: Visit
    asked: Mapping[str, Any]
    without: Mapping[str, Mapping[str, Any]]


def _visit(name: str, title: str, instrument: str, *, showers: bool = False,
           **options: object) -> Visit:  # fmt: skip
    chosen = VisitOptions(n_dithers=1, sky=DIM, effects=Effects(showers=showers))
    return Visit(name=f"events_{name}", title=title, instrument=instrument,
                 options=replace(chosen, **options))  # type: ignore[arg-type]  # fmt: skip


_SNOWBALLS = {"expand_large_events": True}
_HALO = {"without `jump.halo_limit`": {"halo_limit": None}}
CASES = (
    Case(
        visit=_visit("rapid", "NIRCam NRCA1, RAPID, 3 integrations of 10 groups", "nircam", seed=81,
                     n_groups=10, n_ints=3, detectors=("NRCA1",)),
        asked=_SNOWBALLS,
        without=_HALO,
    ),
    Case(
        visit=_visit("shallow", "NIRCam NRCA1, SHALLOW4, 10 groups", "nircam", seed=82, n_groups=10,
                     pattern="SHALLOW4", detectors=("NRCA1",)),
        asked=_SNOWBALLS,
        without=_HALO,
    ),
    Case(
        visit=_visit("miri", "MIRI, FASTR1, 2 integrations of 60 groups, showers", "miri", seed=83,
                     n_groups=60, n_ints=2, showers=True),
        asked={"find_showers": True},
        without={},
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Score:
    """What a program made of the large events of an exposure.

    Attributes
    ----------
    spoilt
        Samples that events spoil.
    missed
        Part of them that is used nevertheless.
    needless
        Samples near events flagged without need, over `spoilt`.
    bias
        Mean of (rate - truth) / ERR where a sample is spoilt.
    """

    spoilt: int
    missed: float
    needless: float
    bias: float


def charge_of_events(truth: ExposureTruth) -> tuple[FloatArray, BoolArray, BoolArray]:
    """Return what large events left in each sample [electron], which hold a part, and where tracks are.

    All are (n_int, n_group, ny, nx); a sample is the difference of a group and the one before it.
    """
    shape = truth.integrations, truth.groups, *truth.light.shape
    charge, partly, tracks = (
        np.zeros(shape, np.float32),
        np.zeros(shape, bool),
        np.zeros(shape, bool),
    )
    rows = truth.hits[truth.hits["group"] < truth.groups]
    large = rows["kind"] != TRACK
    place = tuple(rows[name].astype(np.intp) for name in ("integration", "group", "y", "x"))
    there = tuple(axis[large] for axis in place)
    np.add.at(charge, there, rows["electrons"][large])
    partly[there] |= rows["partly"][large]
    tracks[tuple(axis[~large] for axis in place)] = True
    return charge, partly, tracks


def score(truth: ExposureTruth, products: Path) -> Score:
    """Score what a program made of an exposure."""
    found = read_calibrated(products, truth.root)
    rate = truth.shared * truth.gain + truth.dark
    read = truth.read_noise * truth.gain
    variance = rate * truth.sampling.group_time_s + 2 * read**2 / truth.sampling.frames
    noise = np.sqrt(variance).astype(np.float32)
    charge, partly, tracks = charge_of_events(truth)
    size = charge / noise
    spoilt, clear = size > SPOILT, size <= UNTOUCHED
    # An average that holds a part of the charge leaves the rest to the next difference.
    spoilt[:, 1:] |= spoilt[:, :-1] & partly[:, :-1]
    clear[:, 1:] &= ~partly[:, :-1] | clear[:, :-1]
    usable = found.usable
    whole = usable.copy()
    whole[:, 1:] &= usable[:, :-1]
    whole[:, 0] = False  # no difference ends in the first group
    judged = whole & truth.active & (found.dq & 1 == 0)
    jumps = found.jumps
    used = spoilt & judged & ~jumps
    needless = 0
    near = _near(charge > 0)
    for integration in range(truth.integrations):
        track = grown(grown(tracks[integration]))
        track[1:] |= track[:-1]
        here = jumps[integration] & judged[integration] & clear[integration] & ~track
        needless += int((here & near[integration]).sum())
    number = int((spoilt & judged).sum())
    touched = (spoilt & judged).any(axis=(0, 1)) & found.good & ~grown(tracks.any(axis=(0, 1)))
    pull = ((found.rate - truth.true_rate(found.corrected)) / found.error)[touched]
    bias = float(np.mean(np.clip(pull, -8, 8))) if touched.any() else float("nan")
    return Score(number, float(used.sum()) / max(number, 1), needless / max(number, 1), bias)


def _near(touched: BoolArray) -> BoolArray:
    """Return where an event is not far, in its own group and the next, (n_int, n_group, ny, nx)."""
    near = np.zeros_like(touched)
    for integration, group in np.argwhere(touched.any(axis=(2, 3))):
        square = np.ones((2 * AROUND + 1, 1), bool)
        here = binary_dilation(touched[integration, group], square)
        here = binary_dilation(here, square.T)
        near[integration, group] |= here
        if group + 1 < near.shape[1]:
            near[integration, group + 1] |= here
    return near


HEAD = f"""## Snowballs and showers

Exposures of a quiet sky, in which programs look for large events. A sample is *spoilt* where an event left more than {SPOILT:g} of
the noise of a difference. *missed* is the part of them that is used nevertheless. *needless* are samples flagged near events,
with less than {UNTOUCHED:g} of the noise of an event and no particle beside, over those spoilt. *bias* is the mean of
(rate − truth)/ERR of pixels with a spoilt sample and no particle.

| exposure | program | spoilt | missed | needless | bias |
|---|---|---|---|---|---|
"""


def section(work: Path, cases: Sequence[Case] = CASES) -> str:
    """Return the section of the page."""
    lines = []
    for case in cases:
        observed = observe(case.visit, work)
        (truth,) = observed.truths()
        runs: list[tuple[str, str, Mapping[str, Any]]] = [("calcore", "default", {})]
        runs += [(f"calcore {name}", "default", values) for name, values in case.without.items()]
        runs += [("jwst", "jwst", {})] if jwst_python() is not None else []
        for name, program, values in runs:
            jump = {**case.asked, **values}
            products = calibrate(
                observed, program, name=f"{program}{len(jump)}", parameters={"jump": jump}
            )
            found = score(truth, products)
            lines.append(
                f"| {case.visit.title} | {name} | {found.spoilt} | {found.missed:.4f} | "
                f"{found.needless:.3f} | {found.bias:.3f} |"
            )
    return HEAD + "\n".join(lines) + "\n\n"


def main() -> None:
    """Read the command line, and print the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK)
    print(section(parser.parse_args().work.resolve()))


if __name__ == "__main__":
    main()
