# SPDX-License-Identifier: Apache-2.0
"""The scenarios: which there are, what each one proves, and with which kind of controller it runs.

A scenario is a module of `tests.e2e.scenarios`. The first line of its docstring says what it proves; it defines
`async def run(bed)`, and may set `CONTROLLERS` (`legacy`, `extended`), `QUICK`, `LIMIT_S` and `BY_NAME` (it runs only
where it is named, since it makes what is kept). If it also defines `async def after_cut(bed)`, it has a guest of its
own with a disk at /var/lib/bzd that is kept: when `run` calls `bed.cut()` the guest loses its power, is booted again,
and runs `after_cut`.

Modules are read, not imported, so that the host needs nothing that a scenario needs.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent / "scenarios"

KINDS = ("legacy", "extended")
"""Kinds of controller: Bluetooth 4.2 without extended advertising, as in every Raspberry Pi, and 5.2 with it."""

DEFAULT_LIMIT_S = 120.0
"""Seconds after which a scenario is stopped, unless it sets `LIMIT_S`."""


CUT = "CUT"
"""The line by which a guest asks for its power to fail."""
AFTER_CUT = "--after-cut"
"""The option by which the guest is told to go on after it."""
DONE, TROUBLE = "DONE", "TROUBLE"
"""First words of the lines by which a guest says that a scenario came to its end, and that the machine was at fault."""
CHECKS_FAILED = 3
"""Exit status of a scenario's process that said itself which checks failed; Python's own for an error is 1."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario with one kind of controller.

    Attributes:
        name: its module.
        kind: kind of the controllers, one of KINDS.
        proves: what it proves, in a line.
        quick: whether it belongs to a quick run.
        limit_s: seconds that it may take, from each boot.
        by_name: whether it runs only where it is named.
        cut: whether the power fails in the middle of it.
    """

    name: str
    kind: str
    proves: str
    quick: bool
    limit_s: float
    cut: bool = False
    by_name: bool = False

    @property
    def title(self) -> str:
        """What it is called on the command line and in the report."""
        return f"{self.name}/{self.kind}"


def scenarios() -> list[Scenario]:
    """All scenarios, those of one module together, legacy controllers first; the smoke test before all others."""
    paths = sorted(_FOLDER.glob("*.py"), key=lambda path: (path.stem != "smoke", path.stem))
    return [scenario for path in paths for scenario in _read(path)]


def select(only: Collection[str], *, everything: bool) -> Sequence[Scenario]:
    """The scenarios of a run.

    Args:
        only: names (`smoke`) or titles (`smoke/legacy`); if there are any, these alone, be they quick or not.
        everything: with both kinds of controller and not only legacy ones, and not only the quick ones; what is named
            and has no legacy ones runs with those that it has.

    Raises:
        ValueError: if a name fits none.
    """
    known = scenarios()
    for name in only:
        if not any(name in (scenario.name, scenario.title) for scenario in known):
            raise ValueError(f"no scenario {name} (there are {', '.join(sorted({each.name for each in known}))})")
    if only:
        first = {each.name: each.title for each in reversed(known)}
        named = [each for each in known if each.name in only and (everything or each.title == first[each.name])]
        return named + [each for each in known if each.title in only and each not in named]
    kinds = [each for each in known if everything or each.kind == "legacy"]
    return [each for each in kinds if (everything or each.quick) and not each.by_name]


def _read(path: Path) -> list[Scenario]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    proves = (ast.get_docstring(tree) or "").partition("\n")[0]
    settings = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in _SETTINGS
    }
    kinds = settings.get("CONTROLLERS", KINDS)
    quick, limit_s = settings.get("QUICK", True), settings.get("LIMIT_S", DEFAULT_LIMIT_S)
    cut = any(isinstance(node, ast.AsyncFunctionDef) and node.name == "after_cut" for node in tree.body)
    by_name = settings.get("BY_NAME", False)
    return [Scenario(path.stem, kind, proves, quick, limit_s, cut, by_name) for kind in kinds]


_SETTINGS = ("CONTROLLERS", "QUICK", "BY_NAME", "LIMIT_S")
