"""From inputs and pipelines to products."""

from calcore.run.facade import open, plan, run, step  # noqa: A004 - as astropy and gwcs have it
from calcore.run.outcome import (
    Outcome,
    ProductPlan,
    Progress,
    RunResult,
    Silence,
    SlotOutcome,
    SlotPlan,
    Status,
)
from calcore.run.request import Request

__all__ = [
    "Outcome",
    "ProductPlan",
    "Progress",
    "Request",
    "RunResult",
    "Silence",
    "SlotOutcome",
    "SlotPlan",
    "Status",
    "open",
    "plan",
    "run",
    "step",
]
