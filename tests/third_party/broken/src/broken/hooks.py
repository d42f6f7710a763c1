"""Hooks that raise; which ones, the environment says."""

import os

from calcore.hooks import hookimpl


def fail(name):
    """Raise, if we are to."""
    if name in os.environ.get("BROKEN", ""):
        raise ZeroDivisionError(f"{name} divides by nothing")


@hookimpl
def calcore_edit_pipeline(pipeline):
    """Put an optional step in, if we are to."""
    fail("edit")
    if "optional" in os.environ.get("BROKEN", "") and pipeline == "detector1":
        step = {"insert": "extra", "use": "broken.missing_library", "before": "jump"}
        return {"edit": [step | {"optional": True}]}
    return None


@hookimpl
def calcore_find_reference(type):  # noqa: A002
    """Find nothing."""
    fail("find")


@hookimpl
def calcore_diagnose(suffix):
    """Judge nothing."""
    fail("diagnose")


@hookimpl
def calcore_after_step(slot):
    """See nothing."""
    fail("after")


@hookimpl
def calcore_run_finished(result):
    """Say nothing."""
    fail("finished")
