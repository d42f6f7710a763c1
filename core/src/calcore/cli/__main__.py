"""``python -m calcore.cli``."""

from calcore.cli import main

main()
