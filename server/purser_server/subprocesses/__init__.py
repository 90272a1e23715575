"""Purser and the reference casino as programs of their own, for the demo and the benchmark.

They are started as their users start them: nothing of them is imported here.
"""
