"""Loaded by every Python of a traced run: notes which keys of params.yaml a process reads, and which modules it loads.

An independent witness for the table in asyncthink.workflow.graph. A key counts as read when code takes it from a
section's record that params.py made; what params.py itself does to build and check them does not count.
"""

import atexit
import dataclasses
import functools
import json
import os
import sys
import typing
from pathlib import Path

from asyncthink.config import params

keys: set[str] = set()
building = 0


def untraced(function):
    @functools.wraps(function)
    def wrapped(*arguments, **named):
        global building
        building += 1
        try:
            made = function(*arguments, **named)
            if isinstance(made, params.Params):
                mark(made)
            return made
        finally:
            building -= 1

    return wrapped


def mark(record):
    """A record that was made from the file; its copies with other values are not."""
    object.__setattr__(record, "from_file", True)
    for value in vars(record).values():
        if dataclasses.is_dataclass(value):
            mark(value)


def watch(kind, prefix):
    names, plain = {field.name for field in dataclasses.fields(kind)}, kind.__getattribute__

    def get(self, name):
        value = plain(self, name)
        from_file = not building and name in names and "from_file" in plain(self, "__dict__")
        if from_file and not dataclasses.is_dataclass(value):
            keys.add(prefix + name)
        return value

    kind.__getattribute__ = get


def write():
    ours = (module for name, module in sys.modules.items() if name.startswith("asyncthink"))
    loaded = [getattr(module, "__file__", None) for module in ours]
    record = {"argv": sys.argv, "keys": sorted(keys), "files": sorted(filter(None, loaded))}
    Path(os.environ["ASYNCTHINK_TRACE"], f"{os.getpid()}.json").write_text(json.dumps(record))


watch(params.Params, "")
for name, hint in typing.get_type_hints(params.Params).items():
    if dataclasses.is_dataclass(hint):
        watch(hint, f"{name}.")
params.read, params.from_mapping = untraced(params.read), untraced(params.from_mapping)
params.Params.arm_params = untraced(params.Params.arm_params)
params.Params.to_mapping = untraced(params.Params.to_mapping)
atexit.register(write)
