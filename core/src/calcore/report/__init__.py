"""Pictures of products."""

from calcore.report.quicklook import is_picture, quicklook

__all__ = ["is_picture", "quicklook"]
