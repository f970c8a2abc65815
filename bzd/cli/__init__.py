# SPDX-License-Identifier: Apache-2.0
"""The command line: click commands, one module per group, that turn results into tables, JSON and CSV."""


def main() -> None:
    """Entry point of `bzd`."""
