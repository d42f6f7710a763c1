"""The kit that ships for plugin authors."""
