"""Training: what is to be done, how it went, and whether it has an effect. Pure; times and levels come in."""
