"""The part that plans: programme files, the session timeline, waveforms, the run and the command line."""
