"""Corrections that only NIRSpec needs."""
