"""The rules of money, as pure functions over frozen values.

Nothing here knows of gRPC, SQL or asyncio. Every function is total: it answers for every state
and command that the types allow, and a refusal is a value, never an exception.
"""
