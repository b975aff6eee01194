"""Limits: how many requests and tokens a key, workspace, model or address may have in a time, and how many at once."""

from tollway.limits.gcra import Left, Short
from tollway.limits.limiter import Limiter, Taken
from tollway.limits.rules import Asked, credit_rate
from tollway.limits.settings import Limits

__all__ = ["Asked", "Left", "Limiter", "Limits", "Short", "Taken", "credit_rate"]
