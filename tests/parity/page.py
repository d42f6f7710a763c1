"""Write docs/parity.md from what the tests beside this file found; run by ``make parity``.

    python tests/parity/page.py

Each comparison leaves its figures in ``.cache/parity/figures``; those of tests that are gone are
taken away first, by ``--forget``.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / ".cache" / "parity" / "figures"
PAGE = ROOT / "docs" / "parity.md"
FRAME = Path(__file__).with_name("page.md")

# The reference pipeline's names of steps, in the order in which they are done, and ours.
STEPS = {
    "GroupScale": "group_scale", "DQInit": "dq_init", "EmiCorr": "emicorr",
    "Saturation": "saturation", "IPC": "ipc", "SuperBias": "superbias", "RefPix": "refpix",
    "Reset": "reset", "FirstFrame": "firstframe", "LastFrame": "lastframe",
    "Linearity": "linearity", "Rscd": "rscd", "DarkCurrent": "dark_current",
    "ChargeMigration": "charge_migration", "Jump": "jump", "PictureFrame": "picture_frame",
    "CleanFlickerNoise": "clean_flicker_noise", "Persistence": "persistence",
    "RampFit": "ramp_fit", "GainScale": "gain_scale", "GuiderCDS": "guider_cds",
    "Detector1Pipeline": "stage 1, raw file to count rates", "DarkPipeline": "dark pipeline",
    "GuiderPipeline": "guide-star pipeline", "FlatField": "flat_field", "Photom": "photom",
    "BackgroundSubtract": "bkg_subtract", "Image2Pipeline": "stage 2, count rates to images",
    "TweakReg": "tweakreg, visits", "SkyMatch": "skymatch and outlier_detection, visits",
    "Image3Pipeline": "stage 3, images to mosaics", "SourceCatalog": "source_catalog, visits",
    "Spec2Pipeline": "stage 2, count rates to spectra", "Spec3Pipeline": "stage 3, exposures to cubes and spectra",
    "Tso3Pipeline": "stage 3, time series of spectra",
}  # fmt: skip


def gathered(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what tests found, by what they compare."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        figures = json.loads(path.read_text())
        found[figures["subject"]].append(figures)
    return found


def number(value: float) -> str:
    """Return a figure as a table has it."""
    return "0" if value == 0 else f"{value:.1e}" if value < 0.1 else f"{value:.2g}"


def count(value: int) -> str:
    """Return a number of values as a table has it."""
    return f"{value / 1e6:.1f} M" if value >= 1e5 else str(value)


def row(subject: str, found: list[dict[str, Any]]) -> str:
    """Return one line of the table."""
    largest: dict[str, tuple[float, int]] = {}
    flags: dict[str, tuple[int, int]] = {}
    for figures in found:
        for what, (difference, values) in figures["largest"].items():
            before, known = largest.get(what, (0.0, 0))
            largest[what] = max(before, difference), known + values
        for plane, (differ, values) in figures["flags"].items():
            before, known = flags.get(plane, (0, 0))
            flags[plane] = before + differ, known + values
    values = max((values for _, values in largest.values()), default=0)
    said = "; ".join(f"{what} {number(difference)}" for what, (difference, _) in largest.items())
    differ = "; ".join(
        f"{plane} {differing} of {count(known)}" for plane, (differing, known) in flags.items()
    )
    return f"| {STEPS.get(subject, subject)} | {len(found)} | {count(values)} | {said} | {differ} |"


def main() -> None:
    """Write the page, or forget what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forget", action="store_true", help="forget what earlier tests found")
    if parser.parse_args().forget:
        for path in FIGURES.glob("*.json"):
            path.unlink()
        return
    found = gathered(FIGURES)
    order = list(STEPS)
    subjects = sorted(found, key=lambda name: (order.index(name) if name in order else 99, name))
    table = [
        "| What | Cases | Values | Largest difference | Flags that differ |",
        "|---|---|---|---|---|",
        *(row(subject, found[subject]) for subject in subjects),
    ]
    PAGE.write_text(FRAME.read_text().replace("{table}", "\n".join(table)))


if __name__ == "__main__":
    main()
