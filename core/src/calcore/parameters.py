"""Parameters of steps: type, unit, range and meaning, declared where the field stands."""

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from calcore.errors import BadParameter


@dataclass(frozen=True)
class Doc:
    """What a parameter means."""

    text: str


@dataclass(frozen=True)
class Unit:
    """Unit of a parameter."""

    name: str


@dataclass(frozen=True)
class Range:
    """Smallest and largest value a parameter may have; None is no limit."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class File:
    """The value may name a file: a product is made again when what that holds has changed.

    A text file that `lists` others has their names in the second word of each line, beside which
    they lie; they count, too.
    """

    lists: bool = False


@dataclass(frozen=True)
class If:
    """A part of a step's result is there only if a parameter of the step has this value.

    ``mask: Annotated[Layer | None, If("save_mask")] = None``
    """

    parameter: str
    value: Any = True

    def holds(self, step: object) -> bool:
        """Tell whether it has, for a step with its settings."""
        return bool(getattr(step, self.parameter) == self.value)


@dataclass(frozen=True)
class Format:
    """Tables of a step's result are written in the format that a parameter of the step names.

    ``cat: Annotated[Group[Catalog] | None, If("save_catalogs"), Format("catalog_format")] = None``
    """

    parameter: str


@dataclass(frozen=True)
class Parameter:
    """One parameter of a step, as its field declares it."""

    name: str
    type: Any
    default: Any
    doc: str = ""
    unit: str = ""
    range: Range = Range()
    file: File | None = None

    def check(self, step: str, value: Any) -> Any:
        """Return `value` in the parameter's type.

        Raises
        ------
        BadParameter
            The type is wrong or the value lies outside the range.
        """
        converted = _convert(value, self.type)
        if converted is _WRONG:
            raise BadParameter(
                f"{step}.{self.name} must be {spell(self.type)}, not {value!r} "
                f"({type(value).__name__})"
            )
        for number in converted if isinstance(converted, tuple) else (converted,):
            if isinstance(number, int | float) and not isinstance(number, bool):
                low, high = self.range.low, self.range.high
                # written so that NaN lies in no range
                if not (low is None or number >= low) or not (high is None or number <= high):
                    limits = (
                        f"{'-inf' if low is None else low} to {'inf' if high is None else high}"
                    )
                    raise BadParameter(f"{step}.{self.name} is {value!r}; it must lie in {limits}")
        return converted


_WRONG = object()


def _convert(value: Any, hint: Any) -> Any:
    """Return `value` as `hint` wants it, or `_WRONG`."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        options = [_convert(value, part) for part in get_args(hint)]
        return next((option for option in options if option is not _WRONG), _WRONG)
    if hint is type(None):
        return None if value is None or value == "None" else _WRONG
    if origin is Literal:
        return next((choice for choice in get_args(hint) if _is_choice(value, choice)), _WRONG)
    if origin is tuple:
        return _convert_tuple(value, get_args(hint))
    if hint is bool:
        return value if isinstance(value, bool) else _WRONG
    if hint is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if number else _WRONG
    if isinstance(hint, type):
        if issubclass(hint, int) and isinstance(value, int) and not isinstance(value, bool):
            return hint(value)
        return value if isinstance(value, hint) and not isinstance(value, bool) else _WRONG
    return _WRONG


def _is_choice(value: Any, choice: Any) -> bool:
    """Tell whether a value is a choice, be it a word such as '3' that looks like a number."""
    if isinstance(value, bool) or isinstance(choice, bool):
        return value is choice
    return value == choice or (isinstance(value, int) and str(value) == choice)


def _convert_tuple(value: Any, parts: tuple[Any, ...]) -> Any:
    if isinstance(value, str) and "," in value:  # as in parameter files of the reference pipeline
        value = [_number_or_text(word.strip()) for word in value.split(",")]
    if not isinstance(value, list | tuple):
        return _WRONG
    if len(parts) == 2 and parts[1] is Ellipsis:
        parts = (parts[0],) * len(value)
    if len(parts) != len(value):
        return _WRONG
    items = tuple(_convert(item, part) for item, part in zip(value, parts, strict=True))
    return _WRONG if _WRONG in items else items


def _number_or_text(word: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def spell(hint: Any) -> str:
    """Return a type as users write it."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(spell(part) for part in get_args(hint))
    if origin is Literal:
        return " or ".join(repr(value) for value in get_args(hint))
    if origin is tuple:
        return f"a list of {', '.join(spell(part) for part in get_args(hint) if part is not ...)}"
    if hint is type(None):
        return "None"
    return getattr(hint, "__name__", str(hint))


@cache
def parameters_of(step: type) -> Mapping[str, Parameter]:
    """Return the parameters a step class declares, by name, in order."""
    hints = get_type_hints(step, include_extras=True)
    found: dict[str, Parameter] = {}
    for field in dataclasses.fields(step):
        hint = hints[field.name]
        extras = getattr(hint, "__metadata__", ())
        bare = get_args(hint)[0] if extras else hint
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        found[field.name] = Parameter(
            name=field.name,
            type=bare,
            default=default,
            doc=next((e.text for e in extras if isinstance(e, Doc)), ""),
            unit=next((e.name for e in extras if isinstance(e, Unit)), ""),
            range=next((e for e in extras if isinstance(e, Range)), Range()),
            file=next((e for e in extras if isinstance(e, File)), None),
        )
    return found
