"""Which steps an exposure type goes through, by its instrument's tables and pipelines."""

from calcore.model import Meta
from calcore.registry import manager
from calcore.registry.questions import build_pipeline


def slots(instrument, exposure_type, pipeline, profile="default"):
    """Return the slots of a pipeline that are not switched off, in order."""
    meta = Meta({"exposure.type": exposure_type})
    made = build_pipeline(pipeline, instrument, meta, manager.manager(), profile, exposure_type)
    return [slot.name for slot in made.slots if not slot.runs("skip", default=False)]
