# SPDX-License-Identifier: Apache-2.0
"""The guest's image: a minimal Debian with systemd, dbus-daemon and BlueZ, its kernel and an initrd.

Packages come from the mirror that apt uses on the build machine, or from `$BZD_E2E_MIRROR`.
"""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.host import cache
from tests.e2e.host.kernel import Kernel
from tests.e2e.host.shell import UnavailableError, fetch, make_disk, run, step
from tests.e2e.host.suites import Suite

_PACKAGES = (
    *("systemd-sysv", "systemd", "udev", "dbus", "kmod", "libnss-systemd", "libssl3", "sudo"),
    *("bluez", "bluez-test-tools"),  # bluetoothd, bluetoothctl, btmon; btvirt
    *("python3", "python3-venv"),
    *("iw", "e2fsprogs"),  # Raspberry Pi OS has them, a minimal Debian need not
    "strace",  # to look inside when a scenario fails
)

_MASKED = (
    *("getty@tty1.service", "serial-getty@ttyS0.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "systemd-binfmt.service", "systemd-pcrphase.service"),
    *("systemd-pcrphase-sysinit.service", "systemd-update-utmp.service", "ldconfig.service"),
    "proc-sys-fs-binfmt_misc.automount",
    *("systemd-hwdb-update.service", "systemd-journal-catalog-update.service", "systemd-update-done.service"),
    "systemd-hostnamed.service",  # bluetoothd asks it for the kind of machine, and waits for it at each start
)
"""Units that a guest that lives for minutes has no use for; each costs a second or more of an emulated boot."""

_OVERLAY = Path(__file__).resolve().parents[1] / "rootfs"
"""Files of the project that go into the image."""

_SPARE_MIB = 300


@dataclass(frozen=True, slots=True)
class Image:
    """A built image.

    Attributes:
        suite: the Debian release in it.
        folder: holds `vmlinuz`, `initrd`, `root.ext4`, the same as a tree in `root/`, and `versions`.
    """

    suite: Suite
    folder: Path

    @property
    def root(self) -> Path:
        """The root file system as a tree, to install programs in by chroot."""
        return self.folder / "root"

    @property
    def versions(self) -> str:
        """One line: kernel and the versions of the packages that matter."""
        return (self.folder / "versions").read_text().strip()


def build(suite: Suite) -> Image:
    """Build the image of a suite, or take the one that was built from the same recipe.

    Raises:
        UnavailableError: if no mirror is known, or it does not answer.
        BuildError: if a program failed.
    """
    recipe = [Path(__file__).resolve(), Path(__file__).resolve().with_name("kernel.py"), *cache.sources(_OVERLAY)]
    target = cache.folder() / suite.name
    cache.keep(target, cache.fingerprint(recipe, suite.name), lambda folder: _fill(folder, suite))
    return Image(suite, target)


def _fill(folder: Path, suite: Suite) -> None:
    root = folder / "root"
    step(f"{suite.name}: packages")
    _debootstrap(root, suite)
    step(f"{suite.name}: kernel")
    package = next((root / "var/tmp").glob("linux-image-*.deb"))
    kernel = Kernel(package, folder / "kernel")
    package.unlink()
    kernel.copy_modules(root)
    shutil.copy(kernel.image, folder / "vmlinuz")
    kernel.make_initrd(folder / "initrd", folder / "initrd.tree")
    step(f"{suite.name}: configuration and disk")
    _configure(root)
    (folder / "versions").write_text(_versions(root, kernel))
    make_disk(folder / "root.ext4", root, spare_mib=_SPARE_MIB)
    for leftover in ("kernel", "initrd.tree"):
        shutil.rmtree(folder / leftover)


def _debootstrap(root: Path, suite: Suite) -> None:
    """Install the packages; the kernel's is only downloaded, since its dependencies make an initrd of their own."""
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale", "info")]
    latest = "apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \\(linux-image-[0-9].*\\)/\\1/p'"
    fetch(
        *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(_PACKAGES)}", *excluded),
        '--aptopt=APT::Install-Recommends "false"',
        f'--customize-hook=chroot "$1" sh -c "cd /var/tmp && apt-get download -qq $(chroot "$1" {latest})"',
        '--customize-hook=rm -rf "$1"/var/cache/apt/*.bin',
        *(suite.name, root, _mirror()),
        into=root,
    )


def _mirror() -> str:
    """The Debian archive that this machine's apt uses."""
    if mirror := os.environ.get("BZD_E2E_MIRROR"):
        return mirror
    listing = run("apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages")
    for line in listing.splitlines():
        origin, _, uri = line.partition(" ")
        if origin == "Debian" and "security" not in uri:
            return uri
    raise UnavailableError("apt knows no Debian mirror here (apt-get update, or set BZD_E2E_MIRROR)")


def _configure(root: Path) -> None:
    units = root / "etc/systemd/system"
    for name in _MASKED:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    shutil.copytree(_OVERLAY, root, dirs_exist_ok=True)
    (units / "multi-user.target.wants").mkdir(exist_ok=True)
    (units / "multi-user.target.wants/bzd-e2e.service").symlink_to("../bzd-e2e.service")
    (root / "etc/hostname").write_text("badge\n")
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    run("chroot", root, "useradd", "--create-home", "visitor")


def _versions(root: Path, kernel: Kernel) -> str:
    names = ("bluez", "systemd", "dbus", "python3")
    text = run("chroot", root, "dpkg-query", "-W", "-f", "${Package} ${Version}, ", *names)
    return f"linux {kernel.version}, {text.removesuffix(', ')}\n"
