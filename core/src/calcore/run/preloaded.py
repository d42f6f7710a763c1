"""Libraries that every product needs, and that take seconds to load: workers are forked with them.

The process that they are forked from imports this, and nothing else: it has one thread, knows no
plugin, and has read no settings. What reads them when it is imported, as the client of CRDS does, is
left to the workers.
"""

import signal
import sys
from contextlib import suppress

if any("forkserver" in word for word in sys.orig_argv):
    # ^C reaches all processes of a terminal; the one that has begun this says what becomes of it
    signal.signal(signal.SIGINT, signal.SIG_IGN)

import asdf
import numba  # noqa: F401

import calcore.run.make  # noqa: F401

with suppress(Exception):  # whoever needs what is broken will say so
    asdf.get_config().extensions  # noqa: B018 - found and loaded when they are looked at
    asdf.get_config().resource_manager  # noqa: B018
