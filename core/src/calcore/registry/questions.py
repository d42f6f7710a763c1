"""Core's questions, asked: references with who answered, pipelines with everybody's edits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

import numpy as np
import pluggy

from calcore import pipeline as pipelines
from calcore.errors import (
    BadParameter,
    BadPipeline,
    PluginBroken,
    ReferenceMissing,
    UnknownName,
)
from calcore.hooks import AskedReferences
from calcore.instrument import Instrument
from calcore.model.meta import Meta
from calcore.model.reference import Reference, SceneMask, reference_types
from calcore.references.resolve import NOBODY, NOT_APPLICABLE
from calcore.registry import discovery

# The reference pipeline's names for the same pipelines.
ALIASES = {
    "calwebb_dark": "dark",
    "calwebb_detector1": "detector1",
    "calwebb_guider": "guider",
    "calwebb_image2": "image2",
    "calwebb_image3": "image3",
    "calwebb_spec2": "spec2",
    "calwebb_spec3": "spec3",
    "calwebb_tso3": "tso3",
}


R = TypeVar("R", bound=Reference)


class References:
    """Asks the hooks for references, one plugin after the other, to know who answered."""

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._callers = _callers(manager, "calcore_find_reference")[::-1]
        self._masks = manager.hook.calcore_mask
        self._alter = _callers(manager, "calcore_alter_reference")

    def __call__(
        self, kind: str, meta: Meta, references: AskedReferences | None = None
    ) -> tuple[Any, str] | None:
        """Return the first answer and who gave it, or None.

        Masks of scenes are made of all answers that plugins give, from `references`. What CRDS does
        not have is N/A if no plugin has it either.
        """
        if kind == SceneMask.type:
            return self._scene(meta, references or _None())
        for name, caller in self._callers:
            answer = caller(type=kind, meta=meta)
            if answer is not None:
                return answer, name
        own = reference_types().get(kind)
        return None if own is None or own.in_crds else (NOT_APPLICABLE, NOBODY)

    def altered(
        self, kind: str, meta: Meta, reference: Reference
    ) -> tuple[Reference, tuple[str, ...]]:
        """Return a reference as packages have altered it, and which have.

        Raises
        ------
        PluginBroken
            One gives a reference of another class.
        """
        by: list[str] = []
        for name, caller in self._alter:
            for answer in caller(type=kind, meta=meta, reference=reference):
                source = discovery.found("calcore.hooks", name).source
                if not isinstance(answer, type(reference)):
                    raise PluginBroken(
                        f"calcore_alter_reference of {source} gives {type(answer).__name__} in "
                        f"place of {type(reference).__name__}"
                    )
                reference = answer
                by.append(source)
        return reference, tuple(by)

    def _scene(self, meta: Meta, references: AskedReferences) -> tuple[Any, str]:
        """Return where plugins expect light, or N/A if none does."""
        given = self._masks(meta=meta, references=references)
        answers = [np.asarray(mask, bool) for mask in given if mask is not None]
        if not answers:
            return NOT_APPLICABLE, NOBODY
        shapes = {mask.shape for mask in answers}
        if len(shapes) > 1:
            raise PluginBroken(f"masks of different shapes were given by hooks: {sorted(shapes)}")
        lit = np.logical_or.reduce(answers).astype(np.float32)
        return SceneMask(meta=Meta({}), data=lit), "calcore_mask"


class _None:
    """Refuses references where nobody has said which there are."""

    def __call__(self, kind: type[R], named: str | None = None) -> R:
        del named
        raise ReferenceMissing(f"there is no {kind.type} reference here")

    def if_any(self, kind: type[R]) -> R | None:
        del kind
        return None


def build_pipeline(
    name: str,
    instrument: Instrument,
    meta: Meta,
    manager: pluggy.PluginManager,
    profile: str,
    exposure_type: str,
) -> pipelines.Pipeline:
    """Return a pipeline as core, the instrument and the asked plugins define it.

    Raises
    ------
    UnknownName
        There is no pipeline, or no profile, of this name.
    PluginBroken
        What the instrument's package says of the pipeline contradicts itself, or core.
    """
    name = ALIASES.get(name, name)
    base = _definition(name)
    layers = []
    own = instrument.file("pipelines", f"{name}.toml")
    if own.is_file():
        origin = f"{instrument.distribution} {name}"
        with _blamed(instrument):
            layer = pipelines.parse(own.read_text(encoding="utf-8"), origin)
        if layer.extends is not None:  # else it is the pipeline itself, which only they have
            layers.append(layer)
    known = pipelines.profiles([base, *layers]) | {"reference"}
    if profile not in known:
        raise UnknownName("profile", profile, known)
    with _blamed(instrument):
        made = pipelines.build(
            base,
            layers,
            exposure_type=exposure_type,
            target_type=str(meta.get("target.type", "")),
            profile=profile,
        )
    owners: dict[str, str] = {}
    for plugin, content in _edits(manager, name, meta):
        made = pipelines.edited(made, content, plugin, owners)
    return made


@contextmanager
def _blamed(instrument: Instrument) -> Iterator[None]:
    """What is wrong with a pipeline file is the package's fault, not the user's."""
    try:
        yield
    except (BadParameter, BadPipeline, UnknownName) as error:
        source = f"{instrument.distribution} {instrument.version}"
        raise PluginBroken(f"{source} cannot be used: {error}") from error


def stage_of(name: str) -> str:
    """Return the stage that a pipeline is for.

    Raises
    ------
    UnknownName
        There is no pipeline of this name.
    """
    return str(_definition(ALIASES.get(name, name)).content["stage"])


def _definition(name: str) -> pipelines.Definition:
    item = discovery.found("calcore.pipelines", name)
    file: Traversable = discovery.load("calcore.pipelines", name)
    return pipelines.parse(file.read_text(encoding="utf-8"), f"{item.distribution} {name}")


def _edits(
    manager: pluggy.PluginManager, name: str, meta: Meta
) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        (plugin, content)
        for plugin, caller in _callers(manager, "calcore_edit_pipeline")
        for content in caller(pipeline=name, meta=meta)
        if content
    ]


def _callers(manager: pluggy.PluginManager, hook: str) -> list[tuple[str, Any]]:
    """Return who answers a question, in the order they were registered in, and how to ask each."""
    plugins = manager.get_plugins()
    found = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        others = [plugin for plugin in plugins if plugin is not implementation.plugin]
        found.append((implementation.plugin_name, manager.subset_hook_caller(hook, others)))
    return found
