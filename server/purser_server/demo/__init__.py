"""`purser demo`: a casino's first day, played by a client against a server of its own.

A client like any other: it knows the generated stubs and gRPC, and nothing of the server's rooms.
"""
