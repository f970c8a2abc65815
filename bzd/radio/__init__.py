# SPDX-License-Identifier: Apache-2.0
"""Radios: where advertisements come from and where payloads go. Without hardware: a virtual air and crowd."""
