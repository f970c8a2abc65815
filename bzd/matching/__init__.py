# SPDX-License-Identifier: Apache-2.0
"""From a case to a warning: key files, the matcher, encounters and risk."""
