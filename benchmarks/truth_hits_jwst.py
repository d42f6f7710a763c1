"""Look for jumps with the reference pipeline; run by the interpreter that has it.

python truth_hits_jwst.py JOBS.json
"""

import json
import sys
from pathlib import Path

from jwst.jump import JumpStep
from stdatamodels.jwst import datamodels


def main() -> None:
    """Do the jobs of a file: pairs of a ramp and a folder for what is made of it.

    The step's algorithm alone: what is about it would ask CRDS for a context.
    """
    work = json.loads(Path(sys.argv[1]).read_text())
    for path, output in work["jobs"]:
        Path(output).mkdir(exist_ok=True)
        step = JumpStep()
        for kind in ("gain", "readnoise"):
            setattr(step, f"override_{kind}", str(Path(path).parent / f"{kind}.fits"))
        for name, value in work["settings"].items():
            setattr(step, name, value)
        with datamodels.RampModel(path) as ramp:
            step.process(ramp).save(str(Path(output) / "ramp.fits"))


if __name__ == "__main__":
    main()
