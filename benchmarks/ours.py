"""Do a stage some times with calcore; say how long the last runs took and how much memory it all did.

python ours.py STAGE INPUT FOLDER SETTINGS RUNS PROFILE
"""

import json
import sys
import time
from typing import Any

from peak import peak_gb

from calcore.run import run


def main() -> None:
    """Run, and print one line of JSON."""
    stage, path, folder, settings, runs, profile = sys.argv[1:]
    wishes: dict[str, Any] = {"stage": stage, "output": folder, "overwrite": True}
    wishes |= {"profile": profile, "settings": json.loads(settings)}
    seconds, processor = [], []
    for _ in range(int(runs)):
        begun, used = time.perf_counter(), time.process_time()
        result = run(path, **wishes)
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
        if result.exit_status:
            sys.exit("\n".join(outcome.reason for outcome in result.products))
    answer = {
        "warm_s": min(seconds[1:] or seconds),
        "warm_cpu_s": min(processor[1:] or processor),
        "peak_gb": peak_gb(),
        "slots": {slot.name: slot.seconds for slot in result.products[0].slots},
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
