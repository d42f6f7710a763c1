"""Members that the user names by a setting, in place of an association's: files of a background."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from calcore.errors import BadParameter
from calcore.pipeline import Pipeline
from calcore.registry.steps import step_class
from calcore.run.graph import Job
from calcore.step import diet_of

_KEY = "members."


def with_members(job: Job, pipeline: Pipeline) -> Job:
    """Return a job whose members of a role are the files that a slot's setting names, if one does.

    Raises
    ------
    BadParameter
        A file is not there, or the slot's step does not ask for members of the role.
    """
    named = {role: tuple(paths) for role, paths in _named(pipeline)}
    return replace(job, members={**job.members, **named}) if named else job


def _named(pipeline: Pipeline) -> Iterator[tuple[str, list[Path]]]:
    """Yield the roles that settings name files for, and these."""
    for slot in pipeline.slots:
        for key, setting in slot.runner.items():
            if not key.startswith(_KEY):
                continue
            role = key.removeprefix(_KEY)
            what = f"{role} exposures of {slot.name} (given by {setting.origin})"
            step: Any = step_class(slot.use)
            if role not in {wanted for _, wanted in diet_of(step).members.values()}:
                raise BadParameter(f"{what} mean nothing: the step takes none")
            value = setting.value
            words = value.split(",") if isinstance(value, str) else value
            listed = list(words) if isinstance(words, list | tuple) else [words]
            paths = [Path(str(word).strip()) for word in listed]
            missing = next((path for path in paths if not path.is_file()), None)
            if missing is not None:
                raise BadParameter(f"{what}: {missing} is not there; name files that are")
            if paths:
                yield role, paths
