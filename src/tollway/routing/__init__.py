"""Routing: decides which endpoints are tried, in which order, and says why."""
