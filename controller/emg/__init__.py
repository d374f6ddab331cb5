"""Muscle activity: from the converter's codes to envelope, levels, onset and release. Plain Python, no clock."""
