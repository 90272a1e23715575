"""The clients, against a real server."""
