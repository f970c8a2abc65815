# SPDX-License-Identifier: Apache-2.0
"""What the build machine must have. Nothing is installed here; what is missing is named, and the run is skipped."""

from __future__ import annotations

import importlib.util
import os
import shutil

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where Debian keeps mke2fs and depmod, which is not on every user's path."""

_PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "busybox": "busybox-static",
    "depmod": "kmod",
    "modprobe": "kmod",
    "cpio": "cpio",
    "mke2fs": "e2fsprogs",
    "xz": "xz-utils",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
}
"""Program to the Debian package that brings it."""


def extend_path() -> None:
    """Let this process and its children find the programs of /usr/sbin."""
    os.environ["PATH"] = f"{os.environ.get('PATH', '/usr/bin:/bin')}:{_SBIN}"


def obstacle() -> str | None:
    """Why no guest can be built and run here, as a sentence that ends with the remedy; None if nothing is missing."""
    missing = sorted({package for program, package in _PROGRAMS.items() if shutil.which(program) is None})
    if importlib.util.find_spec("pip") is None:
        missing.append("python3-pip")
    if missing:
        return f"not installed here: {', '.join(missing)} (apt-get install {' '.join(missing)})"
    if os.geteuid() != 0:
        return "only root can build the image of the guest (run it with sudo)"
    return None
