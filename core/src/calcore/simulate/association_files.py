"""The association files of a visit: which exposures make one product."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calcore.simulate.headers import ExposureFacts


def write_association(folder: Path, exposures: Sequence[ExposureFacts], when: str) -> Path:
    """Write the association that combines exposures of one filter.

    Parameters
    ----------
    folder
        Where to.
    exposures
        Members, all through one filter.
    when
        Time that stands in the file's name, such as ``20260203t040506``.

    Returns
    -------
    Path
        ``jw<program>-o<observation>_<time>_image3_<number>_asn.json``.
    """
    members = [(f"{facts.root}_cal", "science") for facts in exposures]
    first = exposures[0]
    return _write(folder, first, when, "image3", "Image", _combined(first), members)


def write_spectral_associations(
    folder: Path, exposures: Sequence[ExposureFacts], when: str, mode: Mapping[str, Any]
) -> list[Path]:
    """Write the associations of a spectrograph's exposures.

    Each exposure makes products of stage 2, with the exposures of the background, if there are any,
    that share its detector and band; where the mode says that its dithers are ``nods``, with the others. All that
    look at the target make products of stage 3, with the spectra of the background.

    Parameters
    ----------
    folder, when
        As `write_association`.
    exposures
        Of all detectors and bands.
    mode
        Row of the simulated mode.

    Returns
    -------
    list of Path
        Those of stage 2, then that of stage 3.
    """
    series = bool(mode.get("time_series", False))
    second, third = ("tso-spec2", "tso3") if series else ("spec2", "spec3")
    counted, calibrated = ("rateints", "calints") if series else ("rate", "cal")
    science = [facts for facts in exposures if not facts.visit.background]
    beside = [facts for facts in exposures if facts.visit.background]
    paths = []
    for facts in (*science, *beside):
        if facts.visit.background:
            others: Iterable[ExposureFacts] = ()
        elif mode.get("nods", False) and not beside:
            others = (other for other in science if other.root != facts.root)
        else:
            others = beside
        like = [other for other in others if _setting(other) == _setting(facts)]
        members = [(f"{facts.root}_{counted}", "science")]
        members += [(f"{other.root}_{counted}", "background") for other in like]
        paths.append(_write(folder, facts, when, second, "Spec", facts.root, members, level=2))
    if science:
        members = [(f"{facts.root}_{calibrated}", "science") for facts in science]
        members += [(f"{facts.root}_x1d", "background") for facts in beside]
        rule = "TSO" if series else "Spec"
        name = _combined(science[0])
        paths.append(_write(folder, science[0], when, third, rule, name, members))
    return paths


def _setting(facts: ExposureFacts) -> tuple[str, object]:
    return facts.geometry.detector.name, facts.visit.keywords.get("BAND")


def _combined(facts: ExposureFacts) -> str:
    """Return the name of what exposures are combined to."""
    visit, first = facts.visit, facts.geometry
    wheels = {first.filter.header_value, first.filter.pupil} - {""}
    elements = "-".join(sorted(wheels)).lower()
    start = f"jw{visit.program:05d}-o{visit.observation:03d}_t001_{visit.instrument.lower()}"
    if elements or not facts.visit.keywords.get("BAND"):
        start += f"_{elements or 'clear'}"
    if first.subarray.name != "FULL":
        start += f"-{first.subarray.name.lower()}"
    return start


def _write(
    folder: Path,
    facts: ExposureFacts,
    when: str,
    kind: str,
    rule: str,
    name: str,
    members: Sequence[tuple[str, str]],
    level: int = 3,
) -> Path:
    """Write an association of one product; its number is the first that is free."""
    program, candidate = f"{facts.visit.program:05d}", f"o{facts.visit.observation:03d}"

    def numbered(number: int) -> Path:
        return folder / f"jw{program}-{candidate}_{when}_{kind}_{number:05d}_asn.json"

    number = 1
    while (path := numbered(number)).exists() and _product(path) != name:
        number += 1
    content = {
        "asn_type": kind,
        "asn_rule": f"candidate_Asn_Lv{level}{rule}",
        "version_id": when,
        "code_version": "simulated",
        "degraded_status": "No known degraded exposures in association.",
        "program": program,
        "constraints": "No constraints",
        "asn_id": candidate,
        "target": "t001",
        "asn_pool": "none",
        "products": [
            {
                "name": name,
                "members": [
                    {
                        "expname": f"{file}.fits",
                        "exptype": role,
                        "exposerr": None,
                        "asn_candidate": f"[('{candidate}', 'observation')]",
                    }
                    for file, role in members
                ],
            }
        ],
    }
    path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
    return path


def _product(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))["products"][0]["name"]
