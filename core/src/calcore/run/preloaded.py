"""Libraries that every product needs, and that take seconds to load: workers are forked with them.

The process that they are forked from imports this, and nothing else: it has one thread, knows no
plugin, and has read no settings.
"""

from contextlib import suppress

import asdf
import crds  # noqa: F401
import numba  # noqa: F401

import calcore.run.make  # noqa: F401

with suppress(Exception):  # whoever needs what is broken will say so
    asdf.get_config().extensions  # noqa: B018 - found and loaded when they are looked at
    asdf.get_config().resource_manager  # noqa: B018
