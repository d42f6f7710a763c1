"""From inputs and pipelines to products."""

from calcore.run.facade import plan, run, step
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
    "plan",
    "run",
    "step",
]
