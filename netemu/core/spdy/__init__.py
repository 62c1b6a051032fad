"""SPDY/3.1, as kubectl's older streams speak it: bytes in, events out; no I/O."""
