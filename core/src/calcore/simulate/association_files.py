"""The association files of a visit: which exposures make one image."""

import json
from collections.abc import Sequence
from pathlib import Path

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
    visit, first = exposures[0].visit, exposures[0].geometry
    program, candidate = f"{visit.program:05d}", f"o{visit.observation:03d}"
    wheels = {first.filter.header_value, first.filter.pupil} - {""}
    elements = "-".join(sorted(wheels)).lower() or "clear"
    name = f"jw{program}-{candidate}_t001_{visit.instrument.lower()}_{elements}"
    if first.subarray.name != "FULL":
        name += f"-{first.subarray.name.lower()}"
    number = 1
    path = folder / f"jw{program}-{candidate}_{when}_image3_{number:05d}_asn.json"
    while (
        path.exists()
        and json.loads(path.read_text(encoding="utf-8"))["products"][0]["name"] != name
    ):
        number += 1
        path = folder / f"jw{program}-{candidate}_{when}_image3_{number:05d}_asn.json"
    members = [
        {
            "expname": f"{facts.root}_cal.fits",
            "exptype": "science",
            "exposerr": None,
            "asn_candidate": f"[('{candidate}', 'observation')]",
        }
        for facts in exposures
    ]
    content = {
        "asn_type": "image3",
        "asn_rule": "candidate_Asn_Lv3Image",
        "version_id": when,
        "code_version": "simulated",
        "degraded_status": "No known degraded exposures in association.",
        "program": program,
        "constraints": "No constraints",
        "asn_id": candidate,
        "target": "t001",
        "asn_pool": "none",
        "products": [{"name": name, "members": members}],
    }
    path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
    return path
