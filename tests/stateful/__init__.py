"""The whole stack under random people, faults and time, judged by the current at the simulated electrodes.

``electrode`` reads the current and holds the rules that must always be so; ``world`` is a board, a guard and an app,
and what may be done to them; ``machine`` does it at random; ``days`` plays sessions over days in order. Run by
``test_whole_stack.py`` (a few minutes) and by ``make soak``.
"""
