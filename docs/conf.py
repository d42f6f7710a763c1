"""How the pages become a site: `make docs`."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "calcore"
author = "the calcore developers"
version = release = version_of("calcore")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"calcore {version}"
exclude_patterns = ["requirements.txt"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # signatures say them
autodoc_member_order = "bysource"
napoleon_google_docstring = False


def setup(app: Any) -> None:
    """Have the pages written that are made from the installed packages."""
    import reference_pages  # noqa: PLC0415 - beside this file

    app.connect("builder-inited", lambda _app: reference_pages.write(HERE / "reference"))
