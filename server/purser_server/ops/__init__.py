"""Running Purser: settings, logs, metrics, processes, the embedded PostgreSQL.

No word of the business here.
"""
