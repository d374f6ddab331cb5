"""The part that talks to people. Empty so far: the local API is not built yet (see README, "What is not there yet")."""
