"""The part that touches pins: board file, clock, pulses out through pigpio, panel and sensing through gpiozero."""
