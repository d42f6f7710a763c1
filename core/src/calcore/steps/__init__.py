"""The corrections, one a file; each is a thin step around a kernel."""
