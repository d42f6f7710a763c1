"""Figures as PNG files."""

from contextlib import suppress
from pathlib import Path

from matplotlib.figure import Figure

from calcore.errors import OutputProblem
from calcore.io import temporary_name

SCREEN_DPI = 110


def save_figure(figure: Figure, path: Path | str, *, dpi: int = SCREEN_DPI) -> Path:
    """Write a figure as a PNG file, as a whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What `image_figure`, `weight_figure`, `alignment_figure` or `spectral_figure` draws.
    path : path
        The file to write; replaced as a whole, or not at all.
    dpi : int
        Resolution.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OutputProblem
        The file cannot be written.
    """
    path = Path(path)
    temporary = temporary_name(path)
    try:
        figure.savefig(temporary, format="png", dpi=dpi, pil_kwargs={"compress_level": 4})
        temporary.replace(path)
    except OSError as error:
        raise OutputProblem(
            path, f"the picture cannot be written: {error.strerror or error}"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path
