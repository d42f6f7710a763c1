"""A folder of reference files with the rules to choose among them, as CRDS lays it out.

The rules ("mappings") are Python literals of three kinds: a context (.pmap) names one mapping per
instrument, that one (.imap) one per reference type, and that one (.rmap) the files, by what must
match in an exposure's header and by date (CRDS documentation, "Mappings").
"""

import hashlib
import json
import pprint
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calcore.errors import OutputProblem

OBSERVATORY = "jwst"
CONTEXT = "jwst_0001.pmap"
SYNCED = "2022-01-01 00:00:00"
PATHS = {
    "BAND": "META.INSTRUMENT.BAND",
    "CHANNEL": "META.INSTRUMENT.CHANNEL",
    "DETECTOR": "META.INSTRUMENT.DETECTOR",
    "EXP_TYPE": "META.EXPOSURE.TYPE",
    "FILTER": "META.INSTRUMENT.FILTER",
    "GRATING": "META.INSTRUMENT.GRATING",
    "MODULE": "META.INSTRUMENT.MODULE",
    "NOUTPUTS": "META.EXPOSURE.NOUTPUTS",
    "PUPIL": "META.INSTRUMENT.PUPIL",
    "READPATT": "META.EXPOSURE.READPATT",
    "SUBARRAY": "META.SUBARRAY.NAME",
    "TSOVISIT": "META.VISIT.TSOVISIT",
}
"""Where the data model keeps the keywords that mappings match."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One reference file and when to use it.

    Attributes
    ----------
    type
        Reference type in lower case.
    parkey
        Keywords that must match.
    match
        Their values, in the same order; ``N/A`` matches everything.
    use_after
        Start of validity.
    file
        Its name.
    recipe
        What it was made from; two files of the same recipe and length are the same file.
    length
        Groups that it must cover; a longer file serves shorter exposures too.
    """

    type: str
    parkey: tuple[str, ...]
    match: tuple[str, ...]
    use_after: str
    file: str
    recipe: str
    length: int = 0


class ReferenceCache:
    """A cache that is being filled.

    Entries of earlier simulations in the same folder stay; a file whose recipe is the same is not
    made again.
    """

    def __init__(self, folder: Path, instrument: str) -> None:
        """Open a cache for an instrument, or begin one.

        Parameters
        ----------
        folder
            Value of CRDS_PATH.
        instrument
            Value of INSTRUME.
        """
        self.folder, self.instrument = folder, instrument.lower()
        self.mappings = folder / "mappings" / OBSERVATORY
        self.files = folder / "references" / OBSERVATORY / self.instrument
        try:
            for place in (self.mappings, self.files, folder / "config" / OBSERVATORY):
                place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputProblem(folder, f"the reference cache cannot be made: {error}") from error
        self._list = folder / "config" / OBSERVATORY / f"{self.instrument}_entries.json"
        self._entries: dict[tuple[str, tuple[str, ...]], Entry] = {}
        if self._list.exists():
            for row in json.loads(self._list.read_text(encoding="utf-8")):
                row["parkey"], row["match"] = tuple(row["parkey"]), tuple(row["match"])
                self._remember(Entry(**row))

    @property
    def entries(self) -> Sequence[Entry]:
        """What the cache holds for the instrument, sorted."""
        return [self._entries[key] for key in sorted(self._entries)]

    def _remember(self, entry: Entry) -> None:
        self._entries[entry.type, entry.match] = entry

    def place(
        self,
        type_: str,
        parkey: Sequence[str],
        match: Sequence[str],
        *,
        use_after: str,
        recipe: str,
        length: int,
        extension: str,
    ) -> tuple[Path, bool]:
        """Reserve a file; return its path and whether it is still to be made."""
        key = type_, tuple(match)
        old = self._entries.get(key)
        if old is not None and old.recipe == recipe and old.length >= length:
            path = self.files / old.file
            if path.exists():
                return path, False
        if old is not None:
            name = old.file
        else:
            used = sum(entry.type == type_ for entry in self._entries.values())
            name = f"{OBSERVATORY}_{self.instrument}_{type_}_{used + 1:04d}.{extension}"
        entry = Entry(
            type=type_,
            parkey=tuple(parkey),
            match=tuple(match),
            use_after=use_after,
            file=name,
            recipe=recipe,
            length=length,
        )
        self._remember(entry)
        return self.files / name, True

    def write(self, not_applicable: Iterable[str]) -> None:
        """Write the mappings, and what the client wants to know of the server.

        Parameters
        ----------
        not_applicable
            Reference types that the instrument has no use for.
        """
        by_type: dict[str, list[Entry]] = {}
        for entry in self.entries:
            by_type.setdefault(entry.type, []).append(entry)
        selector: dict[str, str] = dict.fromkeys(sorted(not_applicable), "N/A")
        for type_, entries in by_type.items():
            selector[type_] = self._write_rmap(type_, entries)
        name = f"{OBSERVATORY}_{self.instrument}_0001.imap"
        header = {
            "instrument": self.instrument.upper(),
            "mapping": "INSTRUMENT",
            "parkey": ("REFTYPE",),
        }
        self._write(name, header, _literal(dict(sorted(selector.items()))))
        self._write_context()
        self._write_config()
        rows = [asdict(entry) for entry in self.entries]
        self._list.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")

    def _write_rmap(self, type_: str, entries: Sequence[Entry]) -> str:
        """Write the mapping of one reference type; return its name."""
        name = f"{OBSERVATORY}_{self.instrument}_{type_}_0001.rmap"
        parkey = entries[0].parkey
        lines = []
        for entry in entries:
            use = f"UseAfter({{\n        {entry.use_after.replace('T', ' ')!r} : {entry.file!r},\n    }})"
            lines.append(f"    {entry.match!r} : {use},\n")
        header = {
            "classes": ("Match", "UseAfter"),
            "file_ext": Path(entries[0].file).suffix,
            "filekind": type_.upper(),
            "filetype": type_.upper(),
            "instrument": self.instrument.upper(),
            "mapping": "REFERENCE",
            "parkey": (
                tuple(PATHS[key] for key in parkey),
                ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME"),
            ),
            "suffix": type_,
            "text_descr": type_,
        }
        self._write(name, header, f"Match({{\n{''.join(lines)}}})")
        return name

    def _write_context(self) -> None:
        """Write the mapping that names the instruments' mappings; all that are in the folder."""
        start = len(OBSERVATORY) + 1
        found = sorted(path.name for path in self.mappings.glob(f"{OBSERVATORY}_*_0001.imap"))
        selector = {name[start:].split("_")[0].upper(): name for name in found}
        header = {"mapping": "PIPELINE", "parkey": ("META.INSTRUMENT.NAME",)}
        self._write(CONTEXT, header, _literal(selector))

    def _write(self, name: str, header: Mapping[str, Any], selector: str) -> None:
        """Write a mapping with the checksum of all its lines but the checksum's own."""
        common = {
            "derived_from": "simulation",
            "name": name,
            "observatory": OBSERVATORY.upper(),
            "sha1sum": "",
        }
        text = f"header = {_literal({**common, **header})}\n\nselector = {selector}\n"
        lines = [line for line in text.splitlines(keepends=True) if "sha1sum" not in line]
        digest = hashlib.sha1("".join(lines).encode(), usedforsecurity=False).hexdigest()
        text = text.replace("'sha1sum': ''", f"'sha1sum': '{digest}'")
        (self.mappings / name).write_text(text, encoding="utf-8")

    def _write_config(self) -> None:
        """Write what the client otherwise asks the server."""
        urls = {"checked": "", "unchecked": ""}
        config = {
            "bad_files": "",
            "bad_files_list": [],
            "connected": False,
            "crds_version": {"str": "14.0.0", "full": "14.0.0"},
            "default_context": CONTEXT,
            "edit_context": CONTEXT,
            "effective_mode": "local",
            "force_remote_mode": False,
            "last_synced": SYNCED,
            "mapping_url": urls,
            "observatories": [OBSERVATORY],
            "observatory": OBSERVATORY,
            "operational_context": CONTEXT,
            "reference_url": urls,
            "status": "cache",
        }
        path = self.folder / "config" / OBSERVATORY / "server_config"
        path.write_text(_literal(config) + "\n", encoding="utf-8")


def _literal(value: Mapping[str, Any]) -> str:
    """Return a dictionary as Python writes it, one key a line."""
    lines = "".join(
        f"    {key!r}: {pprint.pformat(value[key], width=200)},\n" for key in sorted(value)
    )
    return f"{{\n{lines}}}"


def environment(folder: Path) -> dict[str, str]:
    """Return the variables that make CRDS clients use a cache and nothing else."""
    return {
        "CRDS_PATH": str(folder),
        "CRDS_SERVER_URL": "https://crds-serverless-mode.stsci.edu",
        "CRDS_OBSERVATORY": OBSERVATORY,
        "CRDS_READONLY_CACHE": "1",
    }
