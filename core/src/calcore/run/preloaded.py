"""Libraries that every product needs, and that take seconds to load: workers are forked with them.

The process that they are forked from imports this, and nothing else: it has one thread, knows no
plugin, and has read no settings. What reads them when it is imported, as the client of CRDS does, is
left to the workers.
"""

from contextlib import suppress

import asdf
import numba  # noqa: F401

import calcore.run.make  # noqa: F401

with suppress(Exception):  # whoever needs what is broken will say so
    asdf.get_config().extensions  # noqa: B018 - found and loaded when they are looked at
    asdf.get_config().resource_manager  # noqa: B018
