# SPDX-License-Identifier: Apache-2.0
"""What the source has to look like: layers, the pure middle, headers, names, sizes and documented errors."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bzd import errors

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (
    ("bzd.cli", "bzd.__main__"),
    ("bzd.doctor", "bzd.service"),
    ("bzd.daemon",),
    ("bzd.pipeline",),
    ("bzd.radio",),
    ("bzd.traces",),
    ("bzd.cases",),
    ("bzd.feed",),
    ("bzd.matching",),
    ("bzd.store",),
    ("bzd.proximity",),
    ("bzd.protocols",),
    (
        *("bzd.model", "bzd.board", "bzd.clock", "bzd.config", "bzd.digest", "bzd.errors", "bzd.lineage", "bzd.memory"),
        "bzd.option",
    ),
)
"""An import may only point down this list, or stay within a line of it. `bzd` itself is the version, for everybody."""
_ARITHMETIC = (
    *("cwa", "derivation", "encounters", "findings", "intervals", "keys", "matcher", "risk", "search", "sieve"),
    "windows",
)
PURE = (
    *("bzd.protocols", "bzd.proximity", "bzd.pipeline", "bzd.model"),
    *("bzd.store.records", "bzd.store.fields", "bzd.store.matched", "bzd.store.dating"),
    *(f"bzd.matching.{name}" for name in _ARITHMETIC),
)
"""The middle: from advertisements to contacts, the record codec, and the matcher's arithmetic."""
IMPURE_IMPORTS = {
    *("aiofiles", "asyncio", "bleak", "dbus_next", "io", "logging", "multiprocessing", "os", "pathlib", "platform"),
    *("random", "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3", "subprocess", "sys"),
    *("tempfile", "threading", "time"),
}
"""What the pure middle may not import: I/O, concurrency, chance and clocks. Time comes to it with the data."""
UNREACHABLE = frozenset({"asyncio", "bleak", "dbus_fast", "dbus_next", "http", "sqlite3", "ssl"})
"""What the pure middle may not load by way of others either, be they of bzd or not."""
NETWORK_IMPORTS = frozenset({"http", "ssl", "urllib"})
IMPURE_FUNCTIONS = frozenset({"open", "print", "input"})
IMPURE_METHODS = frozenset({"now", "today", "utcnow"})
"""Of the classes of `datetime`, which the pure middle may otherwise use."""
SHAPELESS_NAMES = frozenset({"utils", "util", "helpers", "helper", "misc", "common"})
LONGEST_FILE = 400
SPDX = "# SPDX-License-Identifier: Apache-2.0"


def modules(root: Path) -> dict[str, Path]:
    """All modules below a folder that holds a package, by dotted name."""
    paths = sorted(root.glob("bzd/**/*.py"))
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


MODULES = modules(ROOT)
SOURCES = [*MODULES.values(), *sorted(ROOT.glob("tests/**/*.py"))]


def within(module: str, package: str) -> bool:
    """Whether a module is a package or inside it."""
    return module == package or module.startswith(f"{package}.")


def imports(name: str, path: Path) -> Iterator[str]:
    """Dotted names of all that a module imports, at the top or in a function; relative ones made absolute."""
    parents = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*parents[: len(parents) + 1 - node.level]] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            # `from bzd import store` imports a module, `from bzd.store import Reader` a name: both begin with theirs.
            yield from (f"{source}.{alias.name}" for alias in node.names)


def layer(module: str) -> int | None:
    """The line of LAYERS that a module belongs to, counted from the top; None if it is not of bzd's own."""
    return next((line for line, of in enumerate(LAYERS) if any(within(module, package) for package in of)), None)


def upward(name: str, path: Path) -> list[str]:
    """Imports of a module that point up."""
    own = layer(name)
    assert own is not None
    return [imported for imported in imports(name, path) if (other := layer(imported)) is not None and other < own]


def impurities(name: str, path: Path) -> list[str]:
    """What makes a module of the pure middle impure."""
    found = [imported for imported in imports(name, path) if imported.split(".")[0] in IMPURE_IMPORTS]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            method = called.rpartition(".")[2] if "." in called else ""
            found += [called] if called in IMPURE_FUNCTIONS or method in IMPURE_METHODS else []
    return found


def reached(name: str, paths: Mapping[str, Path]) -> dict[str, str]:
    """All that a module of bzd imports, itself or by way of others of bzd: each with the module that it comes by."""
    found, seen, ahead = dict[str, str](), {name}, [name]
    while ahead:
        by = ahead.pop()
        for imported in imports(by, paths[by]):
            found.setdefault(imported, by)
            parts = imported.split(".")
            prefixes = (".".join(parts[:length]) for length in range(len(parts), 1, -1))
            of = next((prefix for prefix in prefixes if prefix in paths), None)
            if of is not None and of not in seen:
                seen.add(of)
                ahead.append(of)
    return found


def unreachable(name: str, paths: Mapping[str, Path]) -> dict[str, str]:
    """What a module reaches of what the pure middle may not reach, each with the module it comes by."""
    return {imported: by for imported, by in reached(name, paths).items() if imported.split(".")[0] in UNREACHABLE}


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"bzd"}))
def test_imports_point_down(name: str) -> None:
    """Every module has a layer, and imports nothing from one above it."""
    assert layer(name) is not None, f"{name} is in no layer"
    assert upward(name, MODULES[name]) == []


def test_the_package_itself_imports_nothing_of_bzd() -> None:
    """`import bzd` is cheap, and no circle goes through it."""
    assert [imported for imported in imports("bzd", MODULES["bzd"]) if within(imported, "bzd")] == []


@pytest.mark.parametrize("package", PURE)
def test_each_part_of_the_middle_exists(package: str) -> None:
    """One that was renamed or moved is not left out in silence."""
    assert package in MODULES


@pytest.mark.parametrize("name", [name for name in MODULES if any(within(name, package) for package in PURE)])
def test_the_middle_is_pure(name: str) -> None:
    """No I/O, concurrency, chance or clock between the advertisement and the contact, and no way to the worst of it."""
    assert impurities(name, MODULES[name]) == []
    assert unreachable(name, MODULES) == {}


def test_the_middle_loads_no_radio_loop_or_database() -> None:
    """In an interpreter of its own: packages above a module and libraries below it are loaded too."""
    pure = [name for name in MODULES if any(within(name, package) for package in PURE)]
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *pure], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"bzd.pipeline", "bzd.store.records"} <= {*done.stdout.split()}
    assert UNREACHABLE & {*done.stdout.split()} == set()


def test_the_bluetooth_libraries_stay_in_the_radio() -> None:
    """Only `bzd.radio` imports bleak, and one module of it dbus-next, which is slow and old."""
    users = {library: [] for library in ("bleak", "dbus_next")}  # type: dict[str, list[str]]
    for name, path in MODULES.items():
        for library in users:
            users[library] += [name] if any(within(imported, library) for imported in imports(name, path)) else []
    assert all(within(name, "bzd.radio") for names in users.values() for name in names)
    assert len(users["dbus_next"]) <= 1


def test_the_network_stays_in_the_feed() -> None:
    """Only `bzd.feed` speaks to servers; what is beside it on a badge cannot."""
    speakers = [
        name for name, path in MODULES.items() for of in imports(name, path) if of.split(".")[0] in NETWORK_IMPORTS
    ]
    assert speakers
    assert all(within(name, "bzd.feed") for name in speakers)


def test_these_checks_find_what_they_look_for(tmp_path: Path) -> None:
    """An upward import, absolute, of a name, relative or in a function, and impure imports and calls are all seen."""
    folder = tmp_path / "bzd" / "proximity"
    folder.mkdir(parents=True)
    (folder / "bad.py").write_text(
        "import asyncio.events\nimport bzd.store\nfrom bzd import traces\nfrom ..cli import output\nfrom . import run\n"
        "def f():\n    from bzd.radio.air import Air\n    from datetime import datetime\n"
        "    return datetime.now(), open('x'), run.open()\n"
    )
    (name, path), *others = modules(tmp_path).items()
    assert (name, others) == ("bzd.proximity.bad", [])
    assert upward(name, path) == ["bzd.store", "bzd.traces", "bzd.cli.output", "bzd.radio.air.Air"]
    assert impurities(name, path) == ["asyncio.events", "datetime.now", "open"]


def test_what_is_reached_by_way_of_others_is_found(tmp_path: Path) -> None:
    """Through a module, a package and a function, and with a circle on the way."""
    sources = {
        "pure": "from bzd import between",
        "between": "def f():\n    from bzd.package.inner import g",
        "package/__init__": "",
        "package/inner": "import sqlite3.dbapi2\nfrom bzd import pure",
    }
    for name, source in sources.items():
        path = tmp_path / "bzd" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    paths = modules(tmp_path)
    assert unreachable("bzd.pure", paths) == {"sqlite3.dbapi2": "bzd.package.inner"}
    (tmp_path / "bzd/package/inner.py").write_text("import struct")
    assert unreachable("bzd.pure", paths) == {}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_is_licensed_small_and_named_for_what_it_does(path: Path) -> None:
    """The licence is its first line, it is at most 400 lines long, and its name says what is in it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[:1] == [SPDX]
    assert len(lines) <= LONGEST_FILE
    assert not SHAPELESS_NAMES & set(re.split(r"[_\W]+", path.stem))


EXCEPTIONS = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, errors.BzdError)]


@pytest.mark.parametrize("error", EXCEPTIONS, ids=lambda error: error.__name__)
def test_every_error_is_documented(error: type[errors.BzdError]) -> None:
    """Each class has a docstring, a hint of its own kind, and its exit code in the table that heads the module."""
    assert error.__doc__
    assert error.hint
    assert error is errors.BzdError or error.hint != errors.BzdError.hint
    rows = re.findall(rf"^[ │├└─]*{error.__name__} +(\d+) +\S", str(errors.__doc__), re.MULTILINE)
    assert rows == [str(error.exit_code)]


def test_exit_codes_keep_their_meaning() -> None:
    """No class takes a code that the shell, click or a reserved meaning has; one code is one branch of the tree."""
    codes = {error: error.exit_code for error in EXCEPTIONS}
    assert not {0, 2, 10, 11} & set(codes.values())
    assert max(codes.values()) < 126
    for error, code in codes.items():
        base = error.__bases__[0]
        assert base in (Exception, errors.BzdError) or codes[base] == code


def test_errors_live_in_one_tree() -> None:
    """All exceptions of `bzd.errors` are BzdErrors, and a public one elsewhere would have no exit code."""
    assert all(
        not issubclass(value, Exception) or value in EXCEPTIONS
        for value in vars(errors).values()
        if inspect.isclass(value)
    )
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if name != "bzd.errors" and isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                bases = [ast.unparse(base) for base in node.bases]
                assert not [base for base in bases if re.search(r"(Error|Exception|Warning)$", base)], f"{name}: {node}"
