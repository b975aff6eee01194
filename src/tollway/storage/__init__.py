"""Storage: SQL by hand, each query a function beside its SQL."""
