"""Classes of steps, held to what the runner reads off them before anything is built."""

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import cache
from typing import Any

from calcore.errors import PluginBroken
from calcore.model import Record
from calcore.parameters import parameters_of
from calcore.registry import discovery
from calcore.step import Step, diet_of

_ARGUMENTS = {
    "wanted": 1,
    "rows": 2,
    "check": 2,
    "outgoing": 1,
    "planes": 1,
    "tally": 1,
    "header": 2,
}
"""Methods of steps that the runner calls, and how many arguments it gives them."""


def step_class(name: str) -> type[Step]:
    """Import the step of a name.

    Raises
    ------
    UnknownName
        Nothing has this name.
    PluginBroken
        It cannot be imported, or its signature asks for what no runner could give.
    """
    kind = discovery.load("calcore.steps", name)
    fault = _fault(kind)
    if fault:
        source = discovery.found("calcore.steps", name).source
        raise PluginBroken(f"step {name!r} of {source} cannot be used: {fault}")
    checked: type[Step] = kind
    return checked


@cache
def _fault(kind: Any) -> str:
    """Return what is wrong with a step class, in words; nothing if it is in order."""
    if not (isinstance(kind, type) and issubclass(kind, Step)):
        return f"{getattr(kind, '__name__', kind)} is not a calcore Step"
    if not is_dataclass(kind) or "__dataclass_params__" not in vars(kind):
        return f"{kind.__name__} is not a frozen, keyword-only dataclass"
    apply: Callable[..., Any] | None = getattr(kind, "apply", None)
    if apply is None:
        return f"{kind.__name__} has no method apply"
    takes = [name for name in inspect.signature(apply).parameters if name != "self"]
    untold = [name for name in takes if name not in apply.__annotations__]
    if untold:
        return f"{kind.__name__}.apply does not say what {' and '.join(untold)} is"
    for method, count in _ARGUMENTS.items():
        try:
            inspect.signature(getattr(kind, method)).bind(*range(count + 1))
        except TypeError as error:
            return (
                f"{kind.__name__}.{method} must take {count + 1} arguments, self included: {error}"
            )
    step: Any = kind
    try:
        diet, _ = diet_of(step), parameters_of(step)
    except Exception as error:  # noqa: BLE001 - annotations may be anything
        return str(error)
    if not (isinstance(diet.flow, type) and issubclass(diet.flow, Record)):
        return f"{kind.__name__}.apply takes {diet.flow!r} first, which is no record that flows"
    return ""
