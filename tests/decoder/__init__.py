"""An independent decoder: from the edges of the board's lines back to pulses, and these against the programme file.

It shares no code with what it judges and uses the standard library alone; a test holds it to that.

    decoded = decode("edges.csv")
    violations = verify(decoded, Path("programme.toml").read_bytes(), intensity_ua=30_000)
"""

from tests.decoder.edges import Decoded, Frame, Pulse, decode, read_rows, summary
from tests.decoder.plan import Plan, read_plan
from tests.decoder.verify import verify

__all__ = ["Decoded", "Frame", "Plan", "Pulse", "decode", "read_plan", "read_rows", "summary", "verify"]
