"""Inputs that lie elsewhere: addresses such as ``s3://bucket/name``, which packages bring here."""

import os
import re
from dataclasses import replace
from pathlib import Path

from calcore.errors import UsageError
from calcore.registry.manager import manager
from calcore.run.request import Request
from calcore.run.settings import packages_of, read_user_file

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(.+)")
"""An address, of which a path has swallowed one slash; letters of drives are shorter."""


def address_of(path: Path) -> str:
    """Return the address that a path stands for; nothing if it is a place on this machine."""
    found = _ADDRESS.fullmatch(str(path))
    return f"{found[1]}://{found[2]}" if found and not os.path.exists(path) else ""  # noqa: PTH110


def fetched(request: Request) -> Request:
    """Return the request with inputs on this machine: packages that it names bring addresses here.

    Raises
    ------
    UsageError
        None of them knows an address.
    PluginBroken
        One of them cannot be asked.
    """
    addresses = {path: address for path in request.inputs if (address := address_of(path))}
    if not addresses:
        return request
    hook = manager(*packages_of(request, read_user_file(request.config))).hook
    folder = request.output or Path()
    places = {}
    for path, address in addresses.items():
        place = hook.calcore_fetch(address=address, folder=folder)
        if place is None:
            raise UsageError(
                f"{address} is an address, and no package that was named can fetch it; name one "
                "with --with PACKAGE, or bring the file to this machine"
            )
        places[path] = Path(place)
    return replace(request, inputs=tuple(places.get(path, path) for path in request.inputs))
