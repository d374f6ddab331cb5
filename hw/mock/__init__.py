"""The simulated board: a server that speaks pigpiod's socket protocol, and the electronics behind its pins.

Nothing in the product imports this package; it is started as a process of its own (``python -m hw.mock``).
"""
