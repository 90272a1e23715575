"""The client of a casino's callback service: calls, signatures, and how long to wait for whom."""
