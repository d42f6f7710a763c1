"""Do stage 1 some times with the reference pipeline; run by the interpreter that has it.

python theirs.py EXPOSURE FOLDER RUNS
"""

import json
import resource
import sys
import time


def main() -> None:
    """Run, and print one line of JSON."""
    from jwst.pipeline import Detector1Pipeline  # noqa: PLC0415 - slow, and part of the process

    path, folder, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seconds = []
    for _ in range(runs):
        begun = time.perf_counter()
        Detector1Pipeline.call(path, save_results=True, output_dir=folder)
        seconds.append(time.perf_counter() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"warm_s": min(seconds[1:] or seconds), "peak_gb": peak}))


if __name__ == "__main__":
    main()
