"""From inputs and pipelines to products."""

import sys
from types import ModuleType
from typing import Any

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
    "Outcome", "ProductPlan", "Progress", "Request", "RunResult", "Silence", "SlotOutcome",
    "SlotPlan", "Status", "open", "plan", "run", "step",
]  # fmt: skip


class _Callable(ModuleType):
    """``calcore.run(...)`` runs, although ``calcore.run`` is also the package that knows how."""

    def __call__(self, *given: Any, **wishes: Any) -> RunResult:
        return run(*given, **wishes)


sys.modules[__name__].__class__ = _Callable
