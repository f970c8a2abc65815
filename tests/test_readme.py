# SPDX-License-Identifier: Apache-2.0
"""The README holds: its commands run as they stand, its tables are those of the program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bzd import errors
from bzd.cli import contact_data, demo_stores, doctor, group, match, output
from bzd.cli.failure import INTERRUPTED, PIPE_CLOSED, USAGE
from bzd.model import Contact, ScanInstance
from bzd.store.state import IDENTITY_FILE

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ANSWERS = {match.HIGH, match.LOW, doctor.PROBLEM}
"""Of commands that answer by it; their own help says so."""
SIGNALS = {129, 143}
"""128 and the number of SIGHUP and SIGTERM."""

SHIMS = {
    "bzd": """args=(); for word in "$@"; do
  [ "$word" = --passphrase ] || args+=("${word//\\/var\\/lib\\/bzd/$BADGE/state}")
done; exec "$PYTHON" -m bzd "${args[@]}" """,
    "sudo": 'exec "$@"',
    "scp": 'shift; for file in "${@:1:$#-1}"; do mkdir -p "${!#%:}" && cp "$file" "${!#%:}"; done',
    "ssh": 'cd "$1" && shift && export BADGE="$PWD" BZD_STATE="$PWD/state" && exec sh -c "$*"',
}
"""What stands for other machines: each badge is a folder, its /var/lib/bzd the folder `state` in it. The one thing that
is left away is --passphrase, which asks on a terminal (`tests/cli/test_terminal.py` types it)."""


def blocks(section: str) -> list[str]:
    """The shell commands of a section, one block after the other."""
    text = README.partition(f"\n## {section}")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def table(head: str) -> dict[str, str]:
    """A table of two columns by its first cell."""
    rows = README.partition(f"| {head} | ")[2].split("\n\n")[0].splitlines()[2:]
    return dict(row.strip("| ").split(" | ", 1) for row in rows)


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """The environment in which the commands run: a folder of their own, and badges instead of a network."""
    shims = tmp_path / "bin"
    shims.mkdir()
    for name, script in SHIMS.items():
        (shims / name).write_text(f"#!/bin/bash\n{script}\n")
        (shims / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BZD_", "XDG_"))}
    root = str(ROOT)
    return kept | {
        "PATH": f"{shims}:{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
        "HOME": str(tmp_path),
        "BADGE": str(tmp_path),
    }


def run(script: str, shell: dict[str, str], folder: Path) -> str:
    """Run commands as they stand; each must end with 0. Gives what they print."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=shell, cwd=folder, capture_output=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"bzd: error" not in done.stderr, done.stderr.decode()
    return done.stdout.decode()


def test_what_testers_type(shell: dict[str, str], tmp_path: Path) -> None:
    """The commands on a recording work, on the recording that `bzd demo` leaves."""
    run(f"bzd demo --keep crowd && cp crowd/{demo_stores.TRACE_NAME} phone.btsnoop", shell, tmp_path)
    (tmp_path / "tests").symlink_to(Path(__file__).resolve().parent)
    for block in blocks("For testers"):
        assert run(block, shell, tmp_path)
    assert (tmp_path / "contacts.jsonl").read_text().count("bzd.contact/1") > 20


def test_the_recording_that_is_quoted(shell: dict[str, str], tmp_path: Path) -> None:
    """The walk of two badges that comes with the project gives the very contacts that are shown."""
    (tmp_path / "tests").symlink_to(Path(__file__).resolve().parent)
    command, _, rest = README.partition("bzd replay tests/traces/")[2].partition("\n```\n\n```\n")
    shown = run(f"bzd replay tests/traces/{command}", shell | {"TZ": "UTC"}, tmp_path)
    assert shown == rest.partition("```")[0]


def test_what_admins_type(shell: dict[str, str], tmp_path: Path) -> None:
    """Keys, badges, collecting, reading and purging: in this order, as it stands, with what two badges heard."""
    badges = ["ward3-01", "ward3-02"]
    (tmp_path / "badges").write_text("\n".join(badges) + "\n")
    keygen, init, collect, read, purge = blocks("For admins")
    run(keygen + init, shell, tmp_path)
    for badge in badges:
        assert not (tmp_path / badge / "state" / IDENTITY_FILE).exists()
    run("bzd demo --keep crowd", shell, tmp_path)
    for badge in badges:
        run(f"bzd replay crowd/{demo_stores.TRACE_NAME} --state {badge}/state", shell, tmp_path)
    assert "not collected" not in run(collect, shell, tmp_path)
    shown = run(read, shell, tmp_path)
    assert all(badge in shown for badge in badges)
    assert (tmp_path / "contacts.csv").read_text().count("ward3-02") > 20
    run(purge, shell, tmp_path)


def test_what_health_officers_type(shell: dict[str, str], tmp_path: Path) -> None:
    """From a case to a warning on the demo's badges, with the sentence that is quoted, but for its date."""
    keygen, export, publish, match, case = blocks("For health officers")
    run("bzd demo --keep crowd && " + keygen + export + publish, shell, tmp_path)
    quoted = README.partition("\n```\nOn ")[2].partition("\n```")[0]
    # Each day has another hour; only its numbers differ, and its column widths.
    said, meant = (
        re.sub(r"[\d.]+", "0", text).split() for text in (run(match, shell | {"TZ": "UTC"}, tmp_path), f"On {quoted}")
    )
    month = 2
    assert [*said[:month], *said[month + 1 :]] == [*meant[:month], *meant[month + 1 :]]
    assert (tmp_path / "who-met-whom.csv").read_text().startswith("case,badge,day,minutes,near_minutes,risk\n")
    graph = run(case, shell, tmp_path).splitlines()
    assert [line.split(",")[:2] for line in graph] == [["case", "badge"], ["anna", "ben"], ["ben", "anna"]]


def test_a_badge_that_is_off_is_named(shell: dict[str, str], tmp_path: Path) -> None:
    """Collecting leaves no empty file for a badge that did not answer, and goes on with the next."""
    (tmp_path / "badges").write_text("away\n")
    script = blocks("For admins")[2]
    done = subprocess.run(["bash", "-c", script], env=shell, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert done.stdout == b"away: not collected\n"
    assert not list(tmp_path.glob("*.bzd"))


def test_exit_codes() -> None:
    """README and `bzd --help` list the codes that there are, and no others."""
    classes = [errors.BzdError]
    for kind in classes:
        classes += kind.__subclasses__()
    codes = {kind.exit_code for kind in classes} | {0, USAGE, INTERRUPTED, PIPE_CLOSED}
    listed = {int(code) for cell in table("exit code") for code in cell.split(", ")}
    assert listed == codes | SIGNALS | ANSWERS
    helped = group.EPILOG.partition("Exit codes:\n")[2].partition("\n\n")[0]
    assert {int(code) for code in re.findall(r"(?:^|  )(\d+) [a-z]", helped, re.MULTILINE)} == codes


def test_json_fields() -> None:
    """The table has the fields of a contact, in order, and the store's label."""
    contact = Contact("gaen", bytes(16), b"", 0.0, 1.0, 0.0, None, True, (ScanInstance(0.0, 1.0, 1, -60.0, -60),))
    listed = [field for cell in table("field") for field in re.findall(r"`(\w+)`", cell)]
    assert listed == [*output.contact_json(contact), "store"]
    assert {*contact_data.CSV_FIELDS, "scans", "store"} == set(listed)


def test_defaults_that_are_quoted() -> None:
    """What the README says of a default is the default."""
    from bzd.config import Config  # noqa: PLC0415  beside its only use
    from bzd.matching import rules  # noqa: PLC0415  as above

    assert f"within `ranging.near_m` ({Config().ranging.near_m:g} m)" in README
    assert all(f"`{rule}`" in README for rule in rules.RULES if rule != rules.DEFAULT_RULE)
    assert f"({Config().store.retention_days} days is what bzd is made for)" in README
