# SPDX-License-Identifier: Apache-2.0
"""Ranging (RSSI to closeness) and tracking (sightings to contacts); pure."""
