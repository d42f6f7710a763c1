"""Another way to find cosmic rays, and what else a stranger would bring."""

from importlib.resources import files

QUICK = files(__name__) / "pipelines" / "quick.toml"
EXPOSURE_TYPES = files(__name__) / "tables" / "exposure_types.toml"
KEYWORDS = files(__name__) / "tables" / "keywords.toml"
