"""Advice in messages names options; in Python as arguments, on the command line as flags, and only those that exist."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

import fedshare.data
from fedshare.cli.source import Loading, in_flags
from fedshare.data.load import load

SOURCES = sorted(Path(str(fedshare.data.__file__)).parent.rglob("*.py"))
NAMED = sorted(
    {
        (found[1], found[2])
        for each in SOURCES
        for found in re.finditer(r"(?<!`)`(\w+)=([^`]*)`(?!`)", each.read_text("utf-8"))
    }
)


@pytest.mark.parametrize(("name", "value"), NAMED)
def test_advice_exists_in_python_and_on_the_command_line(name: str, value: str) -> None:
    assert name in inspect.signature(load).parameters
    (flag,) = re.findall(r"^--([\w-]+)", in_flags(f"`{name}={value}`"))
    assert flag.replace("-", "_") in {field.name for field in fields(Loading)}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("give `separator=';'`.", "give --sep ';'."),
        ("`timestamp=False`", "--no-timestamp"),
        ("`rating=False`", "--no-rating"),
        ("`quote=False`", "--quote none"),
        ("`drop_missing=True`", "--drop-missing"),
        ("`columns=['user', 'item']`", "--columns user,item"),
        ("`user='NAME'`", "--user NAME"),
        ("`events={'a b': 2}`", "--events 'a b=2'"),
        ("`max_unpacked_mib=64`", "--max-unpacked-mib 64"),
        ("`time_format='%d/%m/%Y %H:%M'`", "--time-format '%d/%m/%Y %H:%M'"),
        ("nothing = here", "nothing = here"),
    ],
)
def test_options_become_flags(message: str, told: str) -> None:
    assert in_flags(message) == told


def test_every_option_of_load_has_a_flag() -> None:
    flags = {field.name for field in fields(Loading)}
    alike = {"separator": "sep", "header": "no_header"}
    missing = {alike.get(name, name) for name in inspect.signature(load).parameters} - flags
    assert missing == {"source", "few"}
