# SPDX-License-Identifier: Apache-2.0
"""What a risk is: its words and their order."""

from __future__ import annotations

from enum import IntEnum


class Risk(IntEnum):
    """The risk of a day or an encounter: `none` without any case near, `high` if the rule is met, else `low`."""

    NONE = 0
    LOW = 1
    HIGH = 2

    def __str__(self) -> str:
        return self.name.lower()
