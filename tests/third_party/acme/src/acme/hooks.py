"""What happens when a user says ``--with acme``."""

from collections.abc import Mapping
from typing import Any

from calcore.hooks import hookimpl


@hookimpl
def calcore_edit_pipeline(pipeline: str) -> Mapping[str, Any] | None:
    """Put our jump step in the place of core's."""
    if pipeline != "detector1":
        return None
    return {"edit": [{"replace": "jump", "use": "acme.jump"}]}
