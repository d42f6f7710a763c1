"""A Python that has imported the libraries, and becomes a fresh one of some environment when asked.

To import them takes longer than most of what tests ask of the command line. Each line of standard
input asks for one process, in JSON; its exit status is the answer. Nothing of ours is imported here:
each process finds it in the folders of its own environment.
"""

import atexit
import gc
import importlib
import json
import os
import sys

LIBRARIES = os.environ["PYTHONPATH"]
status = 1


def leave():
    """End without taking apart what the libraries have built, which takes longer than to fork."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


atexit.register(leave)  # the first to be registered is the last to be called

import asdf  # noqa: E402 - what libraries register comes after it
import numba  # noqa: E402
import numpy as np  # noqa: E402

for name in (
    "astropy.coordinates", "astropy.io.fits", "astropy.modeling.models", "astropy.table",
    "astropy.time", "click", "crds", "drizzle.resample", "gwcs.coordinate_frames", "gwcs.geometry",
    "numba.extending", "packaging.requirements", "photutils.aperture", "photutils.background",
    "photutils.detection", "photutils.segmentation", "pluggy", "rich.console", "rich.progress",
    "scipy.fft", "scipy.interpolate", "scipy.ndimage", "scipy.optimize", "scipy.spatial",
    "scipy.special", "stevedore", "tweakwcs", "yaml",
):  # fmt: skip
    importlib.import_module(name)
asdf.get_config().extensions  # noqa: B018 - which are read from hundreds of files
numba.njit(lambda row: row + 1)(np.zeros(1))  # what the compiler knows is gathered at first use
gc.collect()
gc.freeze()  # a process that is forked need not look through all of it

for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        break
    sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
    sys.stdout.flush()
else:
    status = 0
    sys.exit()

# What follows is done in the new process.
for number, (place, flags) in enumerate(
    ((os.devnull, os.O_RDONLY), (asked["output"], os.O_WRONLY), (asked["error"], os.O_WRONLY))
):
    os.dup2(os.open(place, flags), number)
sys.stdin = open(0)  # noqa: SIM115 - the other one has read ahead
os.chdir(asked["cwd"])
os.environ.clear()
os.environ.update(asked["environment"])
sys.path[:] = [p for old in sys.path for p in (asked["folders"] if old == LIBRARIES else [old])]
sys.argv = ["-c", *asked["words"]]
importlib.invalidate_caches()
try:
    exec(asked["code"], {"__name__": "__main__"})
    status = 0
except SystemExit as end:
    status = end.code or 0
