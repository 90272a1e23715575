"""What the tests stand on: a server as its users start it, and a client that speaks money."""
