# SPDX-License-Identifier: Apache-2.0
"""asyncio and hashlib without the system's OpenSSL, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

BEGIN = "import sys; from bzd.daemon import one_openssl"


def _said(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_both_work_without_it() -> None:
    """An event loop runs, threads included; a hash is right; nothing of OpenSSL was loaded."""
    program = f"""{BEGIN}
one_openssl.prepare()
import asyncio, hashlib, pathlib
print(asyncio.run(asyncio.to_thread(hashlib.sha256, b"abc")).hexdigest()[:8])
print(pathlib.Path("/proc/self/maps").read_text().count("libcrypto"))
"""
    assert _said(program) == ["ba7816bf", "0"]


def test_others_have_it_as_ever() -> None:
    """Whoever imports ssl or hmac afterwards gets the whole of it."""
    program = f"""{BEGIN}
one_openssl.prepare()
import ssl, _hashlib, hmac
print(ssl.create_default_context().verify_mode.name, hmac.digest(b"k", b"d", "sha256").hex()[:4])
"""
    assert _said(program)[0] == "CERT_REQUIRED"


def test_what_is_loaded_stays_as_it_is() -> None:
    """In a process that has asyncio already, nothing happens: half an asyncio would be worse than a large one."""
    program = f"import asyncio\n{BEGIN}\none_openssl.prepare()\nprint(asyncio.base_events.ssl is not None)"
    assert _said(program) == ["True"]
