"""The workshop: what a builder does with a board on a bench, in the guard's place and never beside it.

Doctor, self-test with a load, calibration, and an audit by loop-back. Nothing of the product imports it; the command
line loads it only for its own commands.
"""
