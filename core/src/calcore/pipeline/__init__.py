"""Pipelines: ordered lists of slots, written as TOML, edited and set layer by layer.

A slot's name is the word users know (``jump``); its implementation is an entry point (``jump``,
``acme.jump``). All settings belong to the slot, so replacing the implementation keeps the user's.

Layers, lowest first: the step's own default, core's pipeline, the instrument's pipeline, the
profile, parameter references, the user's file, the command line. Each setting remembers who gave it.
"""

from calcore.pipeline.definitions import Definition, build, edited, parse, profiles
from calcore.pipeline.edits import EDIT_FLAGS, EDITS
from calcore.pipeline.settings import RUNNER_KEYS, with_settings
from calcore.pipeline.slots import Pipeline, Setting, Slot

__all__ = [
    "EDITS",
    "EDIT_FLAGS",
    "RUNNER_KEYS",
    "Definition",
    "Pipeline",
    "Setting",
    "Slot",
    "build",
    "edited",
    "parse",
    "profiles",
    "with_settings",
]
