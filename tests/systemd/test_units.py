# SPDX-License-Identifier: Apache-2.0
"""The files in systemd/: what systemd itself says of them, and that they agree with the program."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bzd import config
from bzd.daemon import runtime

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "systemd"
UNITS = ("bzd.service", "bzd-init.service", "bzd-feed.service", "bzd-feed.timer")
WARNING = ("bzd-warn.path", "bzd-warn.service")
"""Outside the sandbox."""
EXPOSURE_MAX = {"bzd.service": 0.3, "bzd-init.service": 0.3, "bzd-feed.service": 1.2}
"""What `systemd-analyze security` may say at most; 252 says 0.2, and 1.1 of the one that has the network."""
_TREE, _CLOCK = "would need a tree to put", "char-rtc"
RELAXED = {
    "bzd.service": {
        "RootDirectory=/RootImage=": _TREE,
        "RestrictAddressFamilies=~AF_UNIX": "the system bus is one",
        "DeviceAllow=": _CLOCK,
        "UMask=": "hence the umask",
    },
    "bzd-init.service": {"RootDirectory=/RootImage=": _TREE, "DeviceAllow=": _CLOCK},
    "bzd-feed.service": {
        "RootDirectory=/RootImage=": _TREE,
        "RestrictAddressFamilies=~AF_UNIX": "are asked for names",
        "RestrictAddressFamilies=~AF_(INET|INET6)": "The network",
        "PrivateNetwork=": "this has the network and nothing else",
        "IPAddressDeny=": "No IPAddressDeny=",
        "DeviceAllow=": _CLOCK,
        "UMask=": "everybody may read them",
    },
}
"""What `systemd-analyze security` misses in each sandbox, and the comment that gives the reason."""

_JUDGE = 252

analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def settings(name: str) -> dict[str, list[str]]:
    """All assignments of a unit, by key."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@analyze
@pytest.mark.parametrize("name", [*UNITS, *WARNING])
def test_systemd_understands_the_unit(name: str) -> None:
    """No key is unknown and no value refused; that the program is not installed here is the one complaint."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", FOLDER / name], check=False, capture_output=True, text=True
    )
    complaints = [line for line in done.stderr.splitlines() if "bzd" in line and "is not executable" not in line]
    assert complaints == []


@analyze
@pytest.mark.parametrize("name", EXPOSURE_MAX)
def test_exposure_is_small(name: str) -> None:
    """The sandbox leaves open what the comments of the unit name, and no more."""
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(FOLDER / name)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    level = re.search(rf"Overall exposure level for {name}: ([\d.]+)", done.stdout)
    assert level, done.stderr
    assert float(level[1]) <= EXPOSURE_MAX[name]


def _systemd() -> int:
    told = subprocess.run(["systemd-analyze", "--version"], check=True, capture_output=True, text=True).stdout
    return int(re.sub(r"systemd (\d+).*", r"\1", told, flags=re.DOTALL))


@analyze
@pytest.mark.parametrize("name", RELAXED)
def test_each_relaxation_has_its_reason(name: str) -> None:
    """By what systemd 252 looks at nothing else is open, and a comment says why each of these is."""
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--json=short", str(FOLDER / name)]
    judged = json.loads(subprocess.run(words, check=False, capture_output=True, text=True).stdout)
    opened = {each["name"] for each in judged if each["set"] is False}
    # Later ones look at more, and at some of it under another name.
    assert opened == set(RELAXED[name]) or _systemd() > _JUDGE
    lines = (FOLDER / name).read_text().splitlines()
    comments = " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))
    assert [reason for reason in RELAXED[name].values() if reason not in comments] == []


def test_the_service_is_as_promised() -> None:
    """Own user, told when ready, reloaded, watched, restarted for ever, no core files, the group may see the status."""
    service = settings("bzd.service")
    expected = {
        "Type": "notify",
        "User": "bzd",
        "ExecReload": "/bin/sh -c 'kill -HUP $MAINPID'",
        "Restart": "always",
        "WatchdogSec": "60",
        "StartLimitIntervalSec": "0",
        "LimitCORE": "0",
        "RuntimeDirectoryMode": "0750",
        "RuntimeDirectoryPreserve": "restart",
        "UMask": "0027",
        "StateDirectoryMode": "0700",
        "CapabilityBoundingSet": "",
        "RestrictAddressFamilies": "AF_UNIX",
    }
    assert {key: service[key] for key in expected} == {key: [value] for key, value in expected.items()}
    assert "BZD_BOOT_ID=%b" in service["Environment"]
    assert "DynamicUser" not in service
    assert "time-sync.target" not in " ".join(service["After"] + service["Wants"])


def test_a_warning_does_nothing_unless_an_admin_says_what() -> None:
    """It is watched for at the place where the badge makes it, and what is run then has to be put there first."""
    watched = settings("bzd-warn.path")["PathChanged"]
    assert watched == [str(runtime.SYSTEM_RUNTIME / runtime.WARNING_FILE)]
    lamp = settings("bzd-warn.service")
    assert lamp["ConditionFileIsExecutable"] == ["/etc/bzd/warn"]
    (command,) = lamp["ExecStart"]
    assert watched[0] in command


def test_the_store_is_made_once_and_by_the_badge() -> None:
    """Only where there is none, by the user whose it is, before the service."""
    first = settings("bzd-init.service")
    assert first["ConditionPathExists"] == ["!/var/lib/bzd/store.sqlite"]
    assert (first["User"], first["Before"]) == (["bzd"], ["bzd.service"])
    assert first["ExecStart"] == ["/opt/bzd/bin/bzd init"]


def test_the_fetcher_has_the_network_and_nothing_else() -> None:
    """Another user, no store and no identity within its reach, a folder that the badge may read, in its own time."""
    fetcher, timer, badge = settings("bzd-feed.service"), settings("bzd-feed.timer"), settings("bzd.service")
    assert fetcher["User"] == ["bzd-feed"] != badge["User"]
    hidden = " ".join(fetcher["InaccessiblePaths"]).replace("-/", "/").split()
    assert {"/var/lib/bzd", "/etc/credstore", "/etc/credstore.encrypted", "/var/lib/bluetooth"} <= set(hidden)
    assert "LoadCredential" not in fetcher
    assert (fetcher["StateDirectory"], fetcher["StateDirectoryMode"]) == (["bzd-feed"], ["0755"])
    assert (badge["PrivateNetwork"], "PrivateNetwork" in fetcher) == (["yes"], False)
    # Drawn anew over the whole time between two, and not moved to the machine's own offset.
    assert (timer["OnCalendar"], timer["RandomizedDelaySec"], timer["AccuracySec"]) == (
        ["*-*-* 00/4:00:00"],
        ["4h"],
        ["1us"],
    )
    assert (timer["Persistent"], "FixedRandomDelay" in timer) == (["yes"], False)


def test_the_example_is_what_bzd_config_prints(tmp_path: Path) -> None:
    """Every option, its meaning and its default; `bzd config --toml` below the head of the file makes it anew."""
    head, _, body = (FOLDER / "bzd.toml").read_text().partition("\n\n")
    assert all(line.startswith("#") for line in head.splitlines())
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "BZD_CONFIG": os.devnull}
    words = [sys.executable, "-m", "bzd", "config", "--toml"]
    shown = subprocess.run(words, check=True, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert body == shown.stdout


def test_the_example_sets_nothing_but_defaults() -> None:
    """Whoever copies it as it is has the same badge as without it."""
    assert config.load(FOLDER / "bzd.toml").config == config.Config()
    written = {
        f"{section}.{key}"
        for section, table in tomllib.loads((FOLDER / "bzd.toml").read_text()).items()
        for key in table
    }
    assert written == {setting.name for setting in config.load().settings()}


def test_the_wheel_carries_them() -> None:
    """`bzd install-service` of an installed bzd finds them within the package."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert build["targets"]["wheel"]["force-include"] == {"systemd": "bzd/systemd"}
    assert "/systemd" in build["targets"]["sdist"]["include"]
