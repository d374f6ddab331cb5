"""The part that decides: limits, gate, ledger, set-point, interlock, and the guard process that owns the pins.

Nothing outside this package may put current out. The pure modules (``pure-safety`` in ``pyproject.toml`` names them)
import the standard library alone, have no clock and do no input or output. ``docs/interlock.md`` explains the whole.
"""
