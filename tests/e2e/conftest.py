# SPDX-License-Identifier: Apache-2.0
"""The tests of the test bed itself, which need no guest, import it as the guest does: from the checkout's root."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
