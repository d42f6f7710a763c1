"""A module that needs a library nobody has installed."""

import a_library_that_is_not_there  # noqa: F401
