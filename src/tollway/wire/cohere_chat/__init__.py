"""Cohere's chat, version 2: only where we ask."""
