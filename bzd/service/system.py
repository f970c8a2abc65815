# SPDX-License-Identifier: Apache-2.0
"""The programs of the system that installing needs: systemctl, systemd-sysusers, systemd-tmpfiles, userdel."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bzd.errors import OutputError

BOOTED = Path("/run/systemd/system")
"""There if systemd runs (sd_booted(3))."""
_LIMIT_S = 120
"""Far more than stopping the service may take; a program that takes longer hangs."""


def call(*words: str) -> str:
    """Run a program and return what it printed.

    Raises:
        OutputError: if it is missing, fails or hangs.
    """
    hint = "bzd is installed as a service of systemd, by root"
    try:
        done = subprocess.run(  # noqa: S603  fixed programs, found by PATH as root's shell would
            words, check=False, capture_output=True, text=True, errors="replace", timeout=_LIMIT_S
        )
    except OSError as error:
        raise OutputError(f"cannot run {words[0]}: {error.strerror}", hint) from error
    except subprocess.TimeoutExpired as error:
        raise OutputError(f"{' '.join(words)} does not end", hint) from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise OutputError(f"{' '.join(words)} failed: {said or f'exit status {done.returncode}'}", hint)
    return done.stdout


class System:
    """The machine that runs, or an image of one.

    Args:
        root: its root directory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.image = root.resolve() != Path("/")
        self._at_root = [f"--root={root}"] if self.image else []

    @property
    def running(self) -> bool:
        """Whether units can be started and stopped: it is no image, and systemd runs."""
        return not self.image and BOOTED.is_dir()

    def make_user(self, declaration: str) -> None:
        """Make the users of a sysusers.d file, given by its name; those that are there stay.

        Raises:
            OutputError: as `call`.
        """
        call("systemd-sysusers", *self._at_root, declaration)

    def make_directories(self, declaration: str) -> None:
        """Make what a tmpfiles.d file, given by its name, declares.

        Raises:
            OutputError: as `call`.
        """
        call("systemd-tmpfiles", "--create", *self._at_root, declaration)

    def enable(self, unit: str) -> None:
        """Have a unit started at boot.

        Raises:
            OutputError: as `call`.
        """
        self.reload()
        call("systemctl", "--quiet", *self._at_root, "enable", unit)

    def disable(self, unit: str) -> None:
        """Stop a unit, and have it started no more.

        Raises:
            OutputError: as `call`.
        """
        if self.running:
            call("systemctl", "--quiet", "stop", unit)
        call("systemctl", "--quiet", *self._at_root, "disable", unit)

    def restart(self, unit: str) -> None:
        """Start a unit, after stopping it if it runs; returns when it says that it is ready.

        Raises:
            OutputError: as `call`; also if this is no running system.
        """
        if not self.running:
            raise OutputError(f"{unit} cannot be started here", "boot the image, or leave --now away")
        call("systemctl", "restart", unit)

    def reload(self) -> None:
        """Have systemd read the units again.

        Raises:
            OutputError: as `call`.
        """
        if self.running:
            call("systemctl", "daemon-reload")

    def remove_user(self, name: str) -> None:
        """Remove a user and its group.

        Raises:
            OutputError: as `call`.
        """
        call("userdel", *(["--prefix", str(self.root.absolute())] if self.image else []), name)
