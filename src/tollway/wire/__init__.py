"""Bytes to domain and back, both roles of each format; no I/O, no clock."""
