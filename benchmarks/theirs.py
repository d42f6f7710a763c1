"""Do a stage some times with the reference pipeline; run by the interpreter that has it.

python theirs.py PIPELINE INPUT FOLDER SETTINGS RUNS
"""

import json
import sys
import time

from peak import peak_gb


def main() -> None:
    """Run, and print one line of JSON."""
    from jwst import pipeline  # noqa: PLC0415 - slow, and part of the process

    name, path, folder, settings, runs = sys.argv[1:]
    chosen = getattr(pipeline, name)
    steps: dict[str, dict[str, object]] = {}
    for key, value in json.loads(settings).items():
        step, _, parameter = key.partition(".")
        steps.setdefault(step, {})[parameter] = value
    seconds, processor = [], []
    for _ in range(int(runs)):
        begun, used = time.perf_counter(), time.process_time()
        chosen.call(path, save_results=True, output_dir=folder, steps=steps)
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
    answer = {
        "warm_s": min(seconds[1:] or seconds),
        "warm_cpu_s": min(processor[1:] or processor),
        "peak_gb": peak_gb(),
        # What all runs but the first took: without it the process did the stage once.
        "again_s": sum(seconds[1:]),
        "again_cpu_s": sum(processor[1:]),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
