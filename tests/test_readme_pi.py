# SPDX-License-Identifier: Apache-2.0
"""The README's commands for a Raspberry Pi run as they stand, on an image in a folder instead of a Pi.

What another stands for: apt, which nobody wants to run in a test; pip, whose own parser takes the words and whose work
needs a network; the root of the Pi, which is an image here, so that nothing is started. The test bed (`tests/e2e`)
installs wheels offline with the very options, and starts what is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_readme import README, ROOT, blocks

_PIP = '''#!{python}
"""pip, but for its work: what it is told must be what pip knows, and be there."""
import sys
from pathlib import Path

from pip._internal.commands import create_command

options, words = create_command(sys.argv[1]).parse_args(sys.argv[2:])
wheels = Path("wheels")
if sys.argv[1] == "wheel":
    assert Path(words[0], "pyproject.toml").exists() and Path(options.wheel_dir) == wheels
    wheels.mkdir()
    (wheels / "bzd-1.0-py3-none-any.whl").touch()
elif sys.argv[1] == "download":
    assert Path(options.download_dir) == wheels and options.python_version
    assert Path(words[0]).exists() and words[1:] == ["typing-extensions>=4.7"]
else:
    there = [Path(folder) / "bzd-1.0-py3-none-any.whl" for folder in options.find_links] or [Path("pyproject.toml")]
    assert words in (["."], ["bzd"]) and all(path.exists() for path in there)
    Path(__file__).with_name("bzd").write_text('#!/bin/bash\\nexec {python} -m bzd "$@"\\n')
    Path(__file__).with_name("bzd").chmod(0o755)
'''
_SHIMS = {
    "apt": '[ "$*" = "install -y python3-venv bluez" ] && mkdir -p $PI/usr/libexec/bluetooth && '
    "touch $PI/usr/libexec/bluetooth/bluetoothd",
    "python3": '[ "$1 $2" = "-m venv" ] && mkdir -p "$3/bin" && cp "$PIP" "$3/bin/pip" && chmod +x "$3/bin/pip"',
    "scp": 'shift; mkdir -p "${!#%:}" && cp -r "${@:1:$#-1}" "${!#%:}"',
    "sudo": """words=(); for word in "$@"; do case $word in
  /opt/*) words+=("$PI$word") ;;
  --now) ;;
  *) words+=("$word"); [ "$word" = install-service ] && words+=(--root "$PI") ;;
esac; done; exec "${words[@]}" """,
}
"""/opt lies in the image, and there `install-service` can start nothing."""

image_only = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("systemd-sysusers", "systemd-tmpfiles", "systemctl"))),
    reason="making users in an image needs root and systemd's programs",
)


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    """The root file system of a Pi as it comes."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    for name in ("passwd", "group", "shadow", "gshadow"):
        (root / "etc" / name).touch()
    return root


def run(script: str, pi: Path, folder: Path) -> str:
    """Run commands as they stand; each must end with 0. Gives what they say."""
    shims = pi.with_name("bin")
    shims.mkdir(exist_ok=True)
    for name, text in _SHIMS.items():
        (shims / name).write_text(f"#!/bin/bash\n{text}\n")
        (shims / name).chmod(0o755)
    pip = pi.with_name("pip")
    pip.write_text(_PIP.format(python=sys.executable))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BZD_", "XDG_", "PIP_"))}
    here = {"PATH": f"{shims}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(pi.parent)}
    environment = kept | here | {"PI": str(pi), "PIP": str(pip)}
    words = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@image_only
def test_one_badge(pi: Path) -> None:
    """Up to what asks a badge that runs: the service is there, and bluetoothd will offer what the full mode needs."""
    install, asked = blocks("For admins: a Raspberry Pi")[0].split("sudo bzd doctor")
    assert "bzd status" in asked
    run(install, pi, ROOT)
    assert (pi / "usr/local/lib/systemd/system/bzd.service").exists()
    assert (pi / "etc/systemd/system/bluetooth.service.d/bzd.conf").exists()


@image_only
def test_forty_badges(pi: Path, tmp_path: Path) -> None:
    """Wheels are collected in a checkout and copied; the card that is imaged has two recipients and no store."""
    _, collect, install, asked = blocks("For admins: a Raspberry Pi")
    checkout = tmp_path / "checkout"
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / "pyproject.toml").touch()
    for name in ("admin", "deputy"):
        words = [sys.executable, "-m", "bzd", "keygen", "-o", f"{name}.key"]
        subprocess.run(words, cwd=checkout, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    run("python3 -m venv .venv\n" + collect, pi, checkout)
    assert "before" in run(install, pi, checkout / "pi"), "that it is to be imaged before it starts"
    dropin = (pi / "etc/systemd/system/bzd-init.service.d/recipients.conf").read_text()
    assert dropin.count("--recipient /etc/bzd/recipients/") == 2
    assert list((pi / "var/lib/bzd").iterdir()) == []
    assert asked.count("sudo bzd doctor --") == 2


def test_what_upgrades_is_what_installs() -> None:
    """The words of the upgrade in running text are those of the blocks that were run."""
    text = " ".join(README.partition("- **Upgrade**: ")[2].partition("\n- **")[0].split())
    offline = "sudo /opt/bzd/bin/pip install --no-index --find-links wheels"
    installs = blocks("For admins: a Raspberry Pi")
    assert offline in text
    assert offline in installs[2]
    assert "`sudo /opt/bzd/bin/pip install .`" in text
    assert "sudo /opt/bzd/bin/pip install .\n" in installs[0]
    assert "bzd==" not in README, "the name is not ours in a public index"
