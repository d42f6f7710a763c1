"""Core's pipelines: one TOML file each, registered under ``calcore.pipelines``."""

from importlib.resources import files

_FOLDER = files(__name__)

DARK = _FOLDER / "dark.toml"
DETECTOR1 = _FOLDER / "detector1.toml"
IMAGE2 = _FOLDER / "image2.toml"
IMAGE3 = _FOLDER / "image3.toml"
SPEC2 = _FOLDER / "spec2.toml"
SPEC3 = _FOLDER / "spec3.toml"
TSO3 = _FOLDER / "tso3.toml"
