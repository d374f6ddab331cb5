"""The same figures by scipy, whole recordings at once and without delay: independent of the code they are held against.

The mains by least squares, a zero-phase Butterworth band by scipy, a centred r.m.s. envelope; onset and release as
Hodges and Bui (1996) describe it: rectified signal, low-pass at 50 Hz, mean and three standard deviations of rest, held
for 25 ms. scipy is loaded when it is used: it takes a second, and whoever collects the tests loads this.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def filtered(codes: Array, rate_hz: float, nv_per_code: float) -> Array:
    """In nV, without delay. The mains are fitted over the whole recording and taken away: no filter that could ring."""
    from scipy import signal

    out = np.asarray(codes, float) * nv_per_code
    turns = 2 * np.pi * np.outer(np.arange(len(out)) / rate_hz, np.arange(50, rate_hz / 2, 50))
    waves = np.hstack([np.sin(turns), np.cos(turns), np.ones((len(out), 1))])
    out = out - waves @ np.linalg.lstsq(waves, out, rcond=None)[0]
    return signal.sosfiltfilt(signal.butter(2, [20, 400], "bandpass", fs=rate_hz, output="sos"), out)


def envelope(clean: Array, rate_hz: float, seconds: float = 0.15) -> Array:
    """Centred r.m.s."""
    from scipy import ndimage

    return np.sqrt(ndimage.uniform_filter1d(clean**2, round(seconds * rate_hz)))


def mvc(clean: Array, rate_hz: float, spans: list[tuple[float, float]]) -> float:
    """The highest mean of the envelope over half a second within the spans (s)."""
    from scipy import ndimage

    smooth = ndimage.uniform_filter1d(envelope(clean, rate_hz), round(0.5 * rate_hz))
    half = 0.25
    return max(smooth[round((a + half) * rate_hz) : round((b - half) * rate_hz)].max() for a, b in spans)


def bursts(clean: Array, rate_hz: float, rest: tuple[float, float]) -> list[tuple[float, float]]:
    """(onset, release) in s."""
    from scipy import ndimage, signal

    smooth = signal.sosfiltfilt(signal.butter(2, 50, fs=rate_hz, output="sos"), np.abs(clean))
    quiet = smooth[round(rest[0] * rate_hz) : round(rest[1] * rate_hz)]
    above = smooth > quiet.mean() + 3 * quiet.std()
    held = ndimage.binary_closing(above, np.ones(round(0.1 * rate_hz)))
    held = ndimage.binary_opening(held, np.ones(round(0.025 * rate_hz)))
    edges = np.flatnonzero(np.diff(held.astype(int))) + 1
    if held[0]:
        edges = edges[1:]
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return [(a / rate_hz, b / rate_hz) for a, b in pairs if b - a > 0.3 * rate_hz]


def bursts_at(clean: Array, rate_hz: float, on_nv: float, off_nv: float) -> list[tuple[float, float]]:
    """(onset, release) in s where the centred r.m.s. over 58 ms passes two given levels: for a recording in which the
    muscle rises slowly, where two methods that put the level elsewhere cannot be compared.
    """
    from scipy import ndimage

    smooth = envelope(clean, rate_hz, 0.058)
    high = ndimage.binary_opening(smooth > on_nv, np.ones(round(0.035 * rate_hz)))
    low = ndimage.binary_closing(smooth > off_nv, np.ones(round(0.105 * rate_hz)))
    return [
        ((run.start + high[run].argmax()) / rate_hz, run.stop / rate_hz)
        for (run,) in ndimage.find_objects(ndimage.label(low)[0])
        if high[run].any()
    ]
