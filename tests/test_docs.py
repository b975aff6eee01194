"""The documentation says what the code says: keys, URLs, commands, rules, behaviours and numbers, in both directions."""

import ast
import asyncio
import inspect
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import click
import msgspec
import pytest
import typer

from scripts_path import RECORDED
