"""CRDS, the archive's rules for which reference file fits which exposure, through its own package.

``CRDS_PATH``, ``CRDS_SERVER_URL`` and ``CRDS_CONTEXT`` are honoured and none is needed: they are
read at the first question, not at import. With no network a local cache answers
(https://hst-crds.stsci.edu/static/users_guide/environment.html).
"""

import logging
import os
import re
from collections.abc import Mapping
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from calcore.errors import KeywordMissing, ReferenceMissing, with_article
from calcore.hooks import hookimpl
from calcore.io.keywords import keyword_of
from calcore.model.meta import Meta
from calcore.model.reference import reference_types

SERVER = "https://jwst-crds.stsci.edu"
_PREFIXES = ("NOT FOUND",)
_UNKNOWN = "Unknown reference type"
_YOUNG = frozenset({"sirskernel"})
"""Types that steps can do without, and that contexts of some years ago do not know."""
_PATHS: set[str] = set()
_NAME = re.compile(r"META\.[A-Z0-9_.]*[A-Z0-9_]")
_PAIR = re.compile(r"parameter='(META\.[A-Z0-9_.]+)' value=")


class Crds:
    """Answers `calcore_find_reference` from CRDS; remembers what it was told for each exposure."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], str] = {}

    @hookimpl(trylast=True)
    def calcore_find_reference(self, type: str, meta: Meta) -> str | None:  # noqa: A002
        """Return the path of the best reference, ``"N/A"``, or None for types not its own.

        Raises
        ------
        ReferenceMissing
            CRDS cannot be reached and the cache does not hold the answer.
        """
        kind = reference_types().get(type)
        if kind is not None and not kind.in_crds:
            return None
        parameters = _parameters(meta)
        key = (type, _context(), os.environ.get("CRDS_PATH"), *sorted(parameters.items()))
        if key not in self._known:
            self._known[key] = _ask(type, parameters)
        return self._known[key]

    def files(self) -> list[Path]:
        """Return every file it has named so far, parameter references among them."""
        return sorted({Path(path) for path in self._known.values() if path != "N/A"})


def cache() -> Path:
    """Return the folder of the local cache."""
    _client()
    return Path(os.environ["CRDS_PATH"])


def context() -> tuple[str, str]:
    """Return the CRDS context in force and the version of the client, for the header."""
    crds = _client()
    return str(crds.get_context_name("jwst")), str(crds.__version__)


def _context() -> str | None:
    return os.environ.get("CRDS_CONTEXT") or None


def _parameters(meta: Meta) -> dict[str, str]:
    """Return all that CRDS may match on, by the names it uses."""
    return {
        f"META.{name.upper()}": str(value)
        for name, value in meta.items()
        if isinstance(value, str | int | float)
    }


def _client() -> Any:
    """Import the client with its settings in place; it reads them as it is imported."""
    defaults = {
        "CRDS_PATH": str(user_cache_path("calcore") / "crds"),
        "CRDS_SERVER_URL": SERVER,
        "CRDS_OBSERVATORY": "jwst",
    }
    for name, value in defaults.items():
        os.environ[name] = os.environ.get(name) or value  # set to nothing is not set
    import crds  # noqa: PLC0415 - it takes seconds, and who overrides all references needs none
    from crds.core import utils  # noqa: PLC0415

    logging.getLogger("CRDS").setLevel(logging.CRITICAL)  # what is wrong is told by our errors
    if os.environ["CRDS_PATH"] not in _PATHS:
        # The client keeps the rules of the first cache that it saw.
        utils.clear_function_caches()
        _PATHS.clear()
        _PATHS.add(os.environ["CRDS_PATH"])
    return crds


def _ask(kind: str, parameters: Mapping[str, str]) -> str:
    crds = _client()
    try:
        with redirect_stderr(StringIO()):  # the client prints tracebacks beside what it raises
            found = crds.getreferences(
                dict(parameters), reftypes=[kind], observatory="jwst", context=_context()
            )
    except SystemExit as error:  # what the client does when it has neither server nor cache
        raise ReferenceMissing(
            f"CRDS cannot be asked for {with_article(kind)} reference: "
            f"{os.environ['CRDS_SERVER_URL']} does not answer, and {os.environ['CRDS_PATH']} holds "
            f"no copy of its rules; {_remedy(kind)}"
        ) from error
    except Exception as error:  # the client raises many types, all meaning that it has no answer
        if _UNKNOWN in str(error) and (kind.startswith("pars-") or kind in _YOUNG):
            return "N/A"  # a context has parameters of few steps
        reason = _reason(error, parameters).rstrip(".")
        if " = " not in reason:
            reason += _looked_at(kind, parameters)
        raise ReferenceMissing(
            f"CRDS has no {kind} reference for this exposure: {reason}; {_remedy(kind)}"
        ) from error
    path = str(found[kind])
    return "N/A" if path.startswith(_PREFIXES) or path == "N/A" else path


def _reason(error: Exception, parameters: Mapping[str, str]) -> str:
    """Return what the client says, with keywords as headers have them.

    Raises
    ------
    KeywordMissing
        The exposure's header lacks a keyword that the rules look at.
    """
    text = " ".join(str(error).split()).rpartition("best reference for ")[2]
    text = _PAIR.sub(r"\1 = ", text.partition(" = ")[2] or text)
    for name in _NAME.findall(text):
        dotted = name.removeprefix("META.").lower()
        keyword = keyword_of(dotted)
        if keyword is None:
            continue
        if name not in parameters:
            raise KeywordMissing(dotted, keyword[0]) from error
        text = text.replace(name, keyword[0])
    return text


def _looked_at(kind: str, parameters: Mapping[str, str]) -> str:
    """Return which keywords the rules of a type look at; nothing if these cannot be read."""
    from crds.core.rmap import get_cached_mapping  # noqa: PLC0415 - see `_client`

    instrument = parameters.get("META.INSTRUMENT.NAME", "").lower()
    try:
        context_name = _client().get_context_name("jwst", _context())
        rules = get_cached_mapping(context_name).get_imap(instrument).get_rmap(kind)
        names = [name for keys in rules.parkey for name in keys]
    except Exception:  # noqa: BLE001 - the client raises many types; the reason is told without
        return ""
    pairs = [
        f"{keyword[0]} = {parameters[name]}"
        for name in names
        if name in parameters and (keyword := keyword_of(name.removeprefix("META.").lower()))
    ]
    return f" (the rules look at {', '.join(pairs)})" if pairs else ""


def _remedy(kind: str) -> str:
    return (
        f"give one with --ref {kind}=FILE (or N/A), or point CRDS_PATH and CRDS_SERVER_URL at a "
        "cache"
    )


CRDS = Crds()
