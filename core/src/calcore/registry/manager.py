"""Who answers core's questions: the pluggy manager, filled one plugin at a time."""

from importlib.metadata import version
from typing import Any

import pluggy

from calcore import hooks
from calcore.errors import PluginBroken
from calcore.registry import discovery

CORE = "calcore"


def manager(*distributions: str) -> pluggy.PluginManager:
    """Return a manager with the hooks of core and of the named distributions.

    Installing a package changes no result by itself: only the exposure's own instrument and the
    packages a user names are asked.

    Raises
    ------
    PluginBroken
        A plugin cannot be imported or its hooks do not fit; named with distribution and version.
    """
    made = pluggy.PluginManager(hooks.PROJECT)
    made.add_hookspecs(hooks)
    for item in discovery.names("calcore.hooks"):
        if item.distribution in (CORE, *distributions):
            _register(made, item)
    return made


def _register(made: pluggy.PluginManager, item: discovery.Found) -> None:
    plugin = discovery.load("calcore.hooks", item.name)
    try:
        made.register(plugin, name=item.name)
        made.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        raise PluginBroken(f"the hooks of {item.source} do not fit calcore's: {error}") from error


def versions(made: pluggy.PluginManager) -> dict[str, str]:
    """Return the distributions whose hooks are asked, and their versions."""
    registered = {name for name, _ in made.list_name_plugin()}
    used: dict[str, Any] = {
        item.distribution: item.version
        for item in discovery.names("calcore.hooks")
        if item.name in registered
    }
    return {CORE: version(CORE), **used}
