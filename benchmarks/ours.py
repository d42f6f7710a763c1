"""Do stage 1 some times with calcore; say how long the last run took and how much memory it all did.

python ours.py EXPOSURE FOLDER RUNS
"""

import json
import resource
import sys
import time

from calcore.run import run


def main() -> None:
    """Run, and print one line of JSON."""
    path, folder, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seconds = []
    for _ in range(runs):
        begun = time.perf_counter()
        result = run(path, stage="1", output=folder, profile="reference", overwrite=True)
        seconds.append(time.perf_counter() - begun)
        if result.exit_status:
            sys.exit("\n".join(outcome.reason for outcome in result.products))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    slots = {slot.name: slot.seconds for slot in result.products[0].slots}
    print(json.dumps({"warm_s": min(seconds[1:] or seconds), "peak_gb": peak, "slots": slots}))


if __name__ == "__main__":
    main()
