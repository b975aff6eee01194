"""Tollway: one API, every model, many providers, prepaid credits."""

__version__ = "0.1.0"
