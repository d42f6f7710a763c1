"""From inputs and pipelines to products."""

from collections.abc import Iterable, Mapping
from pathlib import Path

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
