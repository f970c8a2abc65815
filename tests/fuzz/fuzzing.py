# SPDX-License-Identifier: Apache-2.0
"""What the fuzzers share: one target a run, on the files named or under atheris."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Target = Callable[[bytes], None]
"""Takes any bytes, and raises what it should not if it finds something."""


def run(arguments: Sequence[str], targets: Mapping[str, Target]) -> None:
    """Run the target that is named, as `python -m tests.fuzz.NAME TARGET [FILE... | libFuzzer options]`."""
    if len(arguments) < 2 or arguments[1] not in targets:
        sys.exit(f"usage: {arguments[0]} TARGET [FILE... | libFuzzer options]\ntargets: {' '.join(targets)}")
    target = targets[arguments[1]]
    files = [Path(name) for name in arguments[2:] if Path(name).is_file()]
    for file in files:
        target(file.read_bytes())
    if not files:
        atheris: Any = importlib.import_module("atheris")  # no dependency of bzd, and none of its tests
        atheris.instrument_all()
        atheris.Setup([arguments[0], *arguments[2:]], target)
        atheris.Fuzz()
