"""The long measurement of truth: simulate visits, calibrate them, score them, write docs/accuracy.md.

    python -m benchmarks.truth [--work DIR] [--only NAME ...] [--page FILE]

calcore's default profile and, where CALCORE_JWST_PYTHON names its interpreter, the reference pipeline
take the same files; so does the profile `reference`. What was made is kept in DIR (``.cache/truth``)
and not made again: remove a visit's folder, or a program's folder and score in it, to have it anew.
"""

import argparse
import pickle
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks import (
    truth_events,
    truth_few,
    truth_hits,
    truth_ideas,
    truth_imaging,
    truth_spectra,
)
from benchmarks.truth_page import OURS, PAGE, PEER, SAME, WORK, hit_misses, misses, page
from benchmarks.truth_score import Result, measure
from benchmarks.truth_visits import Observed, Visit, calibrate, jwst_python, observe

from calcore.simulate import VisitOptions
from calcore.simulate.physics import Effects
from calcore.simulate.sky_options import SkyOptions, Target

FAINTEST = 0.01

VISITS = (
    Visit(
        name="nircam_rapid",
        instrument="nircam",
        title="NIRCam NRCB1, full frame, RAPID, 10 groups",
        options=VisitOptions(seed=11, n_groups=10, n_dithers=1),
        ladder=FAINTEST,
        periods=4,
    ),
    Visit(
        name="nircam_long",
        instrument="nircam",
        title="NIRCam NRCALONG, full frame, BRIGHT2, 10 groups of 2 frames",
        options=VisitOptions(
            seed=12, n_groups=10, n_dithers=1, detectors=("NRCALONG",), pattern="BRIGHT2"
        ),
        ladder=FAINTEST,
        periods=4,
    ),
    Visit(
        name="nircam_averaged",
        instrument="nircam",
        title="NIRCam NRCB1, SUB640, SHALLOW4, 10 groups of 4 frames and a gap, 4 exposures",
        options=VisitOptions(
            seed=13, n_groups=10, n_dithers=4, subarray="SUB640", pattern="SHALLOW4"
        ),
        ladder=FAINTEST,
    ),
    Visit(
        name="nircam_many",
        instrument="nircam",
        title="NIRCam NRCB1, SUB320, RAPID, 40 groups, 4 exposures",
        options=VisitOptions(seed=14, n_groups=40, n_dithers=4, subarray="SUB320"),
        ladder=FAINTEST,
    ),
    Visit(
        name="nircam_crowded",
        instrument="nircam",
        title="NIRCam NRCB1, SUB640, RAPID, 10 groups, crowded field, 2 exposures",
        options=VisitOptions(
            seed=15, n_groups=10, n_dithers=2, subarray="SUB640", sky=SkyOptions.crowded()
        ),
    ),
    Visit(
        name="nircam_hits",
        instrument="nircam",
        title="NIRCam NRCB1, SUB640, RAPID, 10 groups, forty times the particles with 4 % of their charge",
        options=VisitOptions(seed=16, n_groups=10, n_dithers=1, subarray="SUB640"),
        ladder=FAINTEST,
        hits=(40.0, 0.04),
    ),
    Visit(
        name="nircam_stripes",
        instrument="nircam",
        title="NIRCam NRCA1, SUB164STRIPE4_DHS, RAPID, 4 integrations of 10 groups",
        options=VisitOptions(mode="stripes", seed=18, n_groups=10, n_ints=4),
        ladder=FAINTEST,
    ),
    Visit(
        name="miri_fast",
        instrument="miri",
        title="MIRI imager, full frame, FASTR1, 12 groups, 2 exposures",
        options=VisitOptions(seed=21, n_groups=12, n_dithers=2),
        ladder=FAINTEST,
    ),
    Visit(
        name="miri_integrations",
        instrument="miri",
        title="MIRI imager, full frame, FASTR1, 3 integrations of 12 groups",
        options=VisitOptions(seed=22, n_groups=12, n_ints=3, n_dithers=1),
        ladder=FAINTEST,
    ),
    Visit(
        name="miri_interference",
        instrument="miri",
        title="MIRI imager, full frame, FASTR1, 12 groups, with electromagnetic interference",
        options=VisitOptions(seed=23, n_groups=12, n_dithers=1, effects=Effects(interference=True)),
        ladder=FAINTEST,
    ),
    Visit(
        name="miri_crowded",
        instrument="miri",
        title="MIRI imager, full frame, FASTR1, 12 groups, crowded field",
        options=VisitOptions(seed=24, n_groups=12, n_dithers=1, sky=SkyOptions.crowded()),
    ),
    Visit(
        name="miri_hits",
        instrument="miri",
        title="MIRI imager, full frame, FASTR1, 12 groups, eight times the particles with 3 % of their charge",
        options=VisitOptions(seed=25, n_groups=12, n_dithers=1),
        ladder=FAINTEST,
        hits=(8.0, 0.03),
    ),
    Visit(
        name="miri_spectrometer",
        instrument="miri",
        title="MIRI MIRIFULONG, full frame, FASTR1, 12 groups",
        options=VisitOptions(
            mode="lamp_mrs",
            seed=26,
            n_groups=12,
            n_dithers=1,
            detectors=("MIRIFULONG",),
            pattern="FASTR1",
        ),
        ladder=FAINTEST,
    ),
    Visit(
        name="nircam_grism",
        instrument="nircam",
        title="NIRCam NRCALONG, SUBGRISM256 (four outputs), RAPID, 3 integrations of 8 groups",
        options=VisitOptions(mode="grism_time_series", seed=17, n_groups=8, n_ints=3),
        ladder=FAINTEST,
    ),
    Visit(
        name="nirspec_full",
        instrument="nirspec",
        title="NIRSpec NRS1, full frame, NRSRAPID, 10 groups",
        options=VisitOptions(
            mode="ifu", seed=41, n_groups=10, detectors=("NRS1",), pattern="NRSRAPID"
        ),
        ladder=FAINTEST,
        periods=4,
    ),
    Visit(
        name="nirspec_irs2",
        instrument="nirspec",
        title="NIRSpec NRS1, full frame, NRSIRS2RAPID, 10 groups",
        options=VisitOptions(
            mode="ifu", seed=44, n_groups=10, detectors=("NRS1",), pattern="NRSIRS2RAPID"
        ),
        ladder=FAINTEST,
        periods=4,
    ),
    Visit(
        name="nirspec_slits",
        instrument="nirspec",
        title="NIRSpec NRS2, ALLSLITS, NRS, 10 groups of 4 frames, 2 exposures",
        options=VisitOptions(
            mode="fixed_slit", seed=42, n_groups=10, n_dithers=2, detectors=("NRS2",)
        ),
        ladder=FAINTEST,
    ),
    Visit(
        name="nirspec_bright",
        instrument="nirspec",
        title="NIRSpec NRS1, SUB2048, NRSRAPID, 6 integrations of 12 groups in 2 segments",
        options=VisitOptions(
            mode="bright_object", seed=43, n_ints=6, segment_ints=4, detectors=("NRS1",)
        ),
        ladder=FAINTEST,
    ),
    Visit(
        name="niriss_full",
        instrument="niriss",
        title="NIRISS, full frame, NISRAPID, 10 groups",
        options=VisitOptions(seed=51, n_groups=10, n_dithers=1),
        ladder=FAINTEST,
        periods=4,
    ),
    Visit(
        name="niriss_soss",
        instrument="niriss",
        title="NIRISS, SUBSTRIP256, NISRAPID, 4 integrations of 5 groups",
        options=VisitOptions(mode="soss", seed=52),
        ladder=FAINTEST,
    ),
    Visit(
        name="niriss_superstripe",
        instrument="niriss",
        title="NIRISS, SUB204STRIPE_SOSS, NISRAPID, 2 integrations of 10 groups in 10 stripes",
        options=VisitOptions(mode="soss_stripes", seed=53, n_groups=10),
        ladder=FAINTEST,
        saved=("jump", "collate_stripes"),
    ),
    Visit(
        name="fgs_full",
        instrument="fgs",
        title="FGS GUIDER2, full frame, FGSRAPID, 10 groups",
        options=VisitOptions(seed=61, n_groups=10, n_dithers=1, detectors=("GUIDER2",)),
        ladder=FAINTEST,
        periods=4,
    ),
    Visit(
        name="nircam_stars",
        instrument="nircam",
        title="NIRCam NRCB1 F200W, SUB640, 4 dithers; Dec −69.5°, roll 37°, VA_SCALE 1.00004",
        options=VisitOptions(seed=31, n_groups=8, n_dithers=4, subarray="SUB640"),
        lattice=46.0,
        stage="all",
    ),
    Visit(
        name="nircam_stars_ra0",
        instrument="nircam",
        title="NIRCam NRCALONG F444W, SUB640, 4 dithers; across RA 0, Dec +5.3°, roll 211°, VA_SCALE 0.99992",
        options=VisitOptions(
            seed=32,
            n_groups=8,
            n_dithers=4,
            subarray="SUB640",
            detectors=("NRCALONG",),
            filters=("F444W",),
            target=Target(ra_deg=0.0005, dec_deg=5.3, roll_deg=211.0, va_scale=0.99992),
        ),
        lattice=46.0,
        stage="all",
    ),
    Visit(
        name="miri_stars",
        instrument="miri",
        title="MIRI imager F770W, full frame, 4 dithers; Dec −69.5°, roll 37°, VA_SCALE 1.00004",
        options=VisitOptions(seed=33, n_groups=10, n_dithers=4),
        lattice=52.0,
        stage="all",
    ),
    Visit(
        name="niriss_stars",
        instrument="niriss",
        title="NIRISS F150W, full frame, 4 dithers; stars of 0.8 pixel",
        options=VisitOptions(seed=81, n_groups=8, n_dithers=4),
        lattice=46.0,
        stage="all",
    ),
    Visit(
        name="fgs_stars",
        instrument="fgs",
        title="FGS GUIDER1, full frame, 4 dithers",
        options=VisitOptions(seed=82, n_groups=6, n_dithers=4),
        lattice=60.0,
        stage="all",
    ),
)


def run(visits: tuple[Visit, ...], work: Path, programs: tuple[str, ...]) -> list[Result]:
    """Simulate, calibrate and score; say how it goes."""
    results = []
    for visit in visits:
        begun = time.perf_counter()
        observed = observe(visit, work)
        for program in programs:
            if program == SAME and visit.lattice is not None:
                continue
            result = _scored(observed, program)
            results.append(result)
            seconds = time.perf_counter() - begun
            found = "; ".join(misses(result)) or "all limits kept"
            print(f"{visit.name}, {program}, {seconds:.0f} s: {found}", flush=True)
    return results


def _scored(observed: Observed, program: str) -> Result:
    """Return what a program makes of a visit, calibrated and scored unless it was before."""
    kept = observed.folder / f"{program}.pickle"
    if kept.exists():
        result: Result = pickle.loads(kept.read_bytes())  # noqa: S301 - our own
        return result
    result = measure(observed, program, calibrate(observed, program))
    kept.write_bytes(pickle.dumps(result))
    return result


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--only", nargs="*", metavar="NAME")
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    programs = (OURS, SAME, PEER) if jwst_python() is not None else (OURS,)
    visits = tuple(v for v in VISITS if not arguments.only or v.name in arguments.only)
    results = run(visits, arguments.work.resolve(), programs)
    for program in programs:
        print(f"{program}:", "; ".join(hit_misses(r for r in results if r.program == program)))
    versions = f"calcore {version('calcore')}"
    if PEER in programs:
        versions += ", jwst 3.0.0"
    if missing := [visit.title for visit in VISITS if visit not in visits]:
        versions += f". Left out: {'; '.join(missing)}"
    work = arguments.work.resolve()
    hits = truth_hits.section(work) + truth_events.section(work)
    more = truth_few.section(work) + truth_ideas.section(work)
    images = truth_imaging.section(work) + truth_spectra.section(work)
    arguments.page.write_text(page(results, versions, hits, more, images), encoding="utf-8")


if __name__ == "__main__":
    main()
