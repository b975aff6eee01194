"""Cells of a CSV file, as no spreadsheet takes them for formulas."""

import re

FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def cell(value: object) -> object:
    """A spreadsheet would run a text that looks like a formula; the apostrophe says "text" (OWASP, "CSV Injection")."""
    formula = isinstance(value, str) and value.startswith(FORMULA) and not _NUMBER.fullmatch(value)
    return f"'{value}" if formula else value
