# SPDX-License-Identifier: Apache-2.0
"""Trace readers: one per capture format, all yielding Advertisement."""
