"""`purser demo`: the story of two casinos, played by a client against a server of its own.

A client like any other: it knows the generated stubs and gRPC, and nothing of the server's rooms.
The second casino, in seamless mode, is the reference casino, in a process of its own. The first one
also has a shop, whose customers earn points. At both a prize is returned for money.
"""
