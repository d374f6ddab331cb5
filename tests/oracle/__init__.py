"""An oracle for the gate: what may be played, worked out a second time and in another way.

``shape`` reads a pulse list as text and matches it whole, where the guard's decoder walks through it; ``course`` reads
the programme; ``oracle`` keeps every pulse of a session in a list and judges by looking back over it, where the gate
carries a few figures on. Nothing here comes from ``safety`` or ``controller``. The figures are those of
``docs/limits.md`` and ``docs/hardware.md``; a test holds them against ``safety.limits``.

``compare`` plays made-up sessions (``making``, ``spoiling``) to the gate and the oracle at once, and ``lifting`` takes
rules of the gate out. ``python -m tests.oracle`` (``make soak``) does it a million times and reports.
"""
