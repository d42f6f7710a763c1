"""Runs programs in copies of one process that has its imports behind it: they take seconds.

    python ready.py MODULE ...

Each line on stdin is ``{"program": path, "arguments": [...], "environment": {...}, "log": path}``: a
copy of this process does what ``python PROGRAM ARGUMENTS`` would, with that added to its environment.
Nothing stays of what its libraries remember, such as crds the first cache that it has seen. On
stdout comes a line with the exit status of each, in their order.
"""

import importlib
import json
import os
import runpy
import sys
import traceback


def become(program, arguments, environment, log):
    """Do what a program does and leave; for a copy of the process."""
    status = 1
    try:
        files = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), os.open(os.devnull, 0)
        for own, standard in ((files[1], 0), (files[0], 1), (files[0], 2)):
            os.dup2(own, standard)
        os.environ.update(environment)
        sys.argv = [program, *arguments]
        runpy.run_path(program, run_name="__main__")
        status = 0
    except BaseException:  # noqa: BLE001 - a copy must not go on as the process it was made of
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main(modules):
    """Import modules and what extends asdf, which takes as long; then do what stdin says."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for name in modules:
        importlib.import_module(name)
    importlib.import_module("asdf").get_config().extensions  # noqa: B018 - looked for when asked for
    for line in sys.stdin:
        copy = os.fork()
        if not copy:
            become(**json.loads(line))
        _, status = os.waitpid(copy, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
