"""Folders that products go to: found out to be of use before the first pixel, made when needed."""

import errno
import os
from pathlib import Path

from calcore.errors import OutputProblem


def make_folder(folder: Path) -> None:
    """Make a folder, and those it lies in.

    Raises
    ------
    OutputProblem
        It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputProblem(
            folder, f"the folder cannot be made: {error.strerror}; choose another with -o"
        ) from error


def check_folder(folder: Path) -> None:
    """Find out before the first pixel that nothing can be written to a folder.

    Raises
    ------
    OutputProblem
        It, or the folder it would be made in, may not be written, or is no folder; or no file can
        have such a name.
    """
    try:
        folder.lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise OutputProblem(folder, f"{error.strerror}; choose another with -o") from error
    place = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    what = "" if place == folder else f"{place} "
    if not place.is_dir():
        raise OutputProblem(folder, f"{what}is not a folder; choose another with -o")
    if not os.access(place, os.W_OK | os.X_OK):
        raise OutputProblem(folder, f"{what}may not be written; choose another folder with -o")
