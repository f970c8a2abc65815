# SPDX-License-Identifier: Apache-2.0
"""`python -m bzd` is `bzd`."""

from bzd.cli import main

if __name__ == "__main__":
    main()
