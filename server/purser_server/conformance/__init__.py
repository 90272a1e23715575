"""The conformance runner: plays the callback contract against any casino, and tells what holds.

It is a client. The cases are in `cases_*.py`, in words of the contract; how a case plays is in
`play.py`, and `runner.py` plays all of them.
"""
