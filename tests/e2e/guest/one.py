# SPDX-License-Identifier: Apache-2.0
"""Runs one scenario in a process of its own: `python -m tests.e2e.guest.one smoke/legacy [after_cut]`."""

from __future__ import annotations

import asyncio
import importlib
import sys
import traceback

from tests.e2e.guest.bed import Bed, BedError
from tests.e2e.plan import CHECKS_FAILED, TROUBLE


async def main(title: str, part: str = "run") -> int:
    """Run the scenario, or its part after a power cut; returns 0, or CHECKS_FAILED."""
    bed = Bed(title)
    try:
        module = importlib.import_module(f"tests.e2e.scenarios.{title.partition('/')[0]}")
        await getattr(module, part)(bed)
    except BedError as error:
        print(f"{TROUBLE} {title}: {error}", flush=True)
        bed.check("begins", passed=False, detail=error)
    except Exception as error:  # noqa: BLE001  whatever happens is the scenario's failure
        traceback.print_exc()
        bed.check("runs to its end", passed=False, detail=f"{type(error).__name__}: {error}")
    finally:
        await bed.stop()
    return CHECKS_FAILED if bed.failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
