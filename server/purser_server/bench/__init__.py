"""`purser bench`: how fast this machine is, with PostgreSQL's own pgbench beside it in one run.

A client like any other: it starts the server as its users do, loads it through gRPC, and counts
a figure only when the ledger verifies and every acknowledged transaction is there once.
"""

import os

# pgbench is started beside the client: gRPC need not prepare for forks, nor tell of them.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
