"""The part that talks to people: the local API. The page, and the command that serves both, are not built yet."""
