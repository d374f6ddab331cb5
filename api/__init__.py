"""The part that talks to people: the local API, the phone page, and the command that serves both."""
