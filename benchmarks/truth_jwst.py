"""Calibrate a visit with the reference pipeline; run by the interpreter that has it.

python truth_jwst.py FOLDER_OF_RAW_FILES OUTPUT STAGE [PARAMETERS]

PARAMETERS is JSON: step, parameter, value.
"""

import json
import sys
from pathlib import Path

from jwst import pipeline

STAGES = {
    "spec2": "Spec2Pipeline",
    "tso-spec2": "Spec2Pipeline",
    "image3": "Image3Pipeline",
    "spec3": "Spec3Pipeline",
    "tso3": "Tso3Pipeline",
}
"""Pipelines by the kind of association that they take, in their order."""
AS_OPERATIONS = {"spec2": {"cube_build": {"output_type": "multi"}}}
"""One quick-look cube for each exposure: only then has its spectrum the name that associations give it."""


def main() -> None:
    """Run stage 1 with the steps that operations use, and stages 2 and 3 if the third word is ``all``."""
    folder, output, stage = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    wished = json.loads(sys.argv[4]) if len(sys.argv) > 4 else {}
    for raw in sorted(folder.glob("*_uncal.fits")):
        steps = {"jump": {"save_results": True, "suffix": "jump"}, "ipc": {"skip": True},
                 "emicorr": {"skip": False}}  # fmt: skip
        for step, parameters in wished.items():
            steps.setdefault(step, {}).update(parameters)
        pipeline.Detector1Pipeline.call(str(raw), save_results=True, output_dir=output, steps=steps)
    if stage != "all":
        return
    kinds = {kind: sorted(folder.glob(f"*_{kind}_*_asn.json")) for kind in STAGES}
    if not (kinds["spec2"] or kinds["tso-spec2"]):
        for rate in sorted(Path(output).glob("*_rate.fits")):
            pipeline.Image2Pipeline.call(str(rate), save_results=True, output_dir=output)
    for kind, associations in kinds.items():
        for association in associations:
            here = Path(output) / association.name
            here.write_text(association.read_text())
            chosen = getattr(pipeline, STAGES[kind])
            settings = {"steps": AS_OPERATIONS[kind]} if kind in AS_OPERATIONS else {}
            chosen.call(str(here), save_results=True, output_dir=output, **settings)


if __name__ == "__main__":
    main()
