"""Purser: a gRPC wallet and loyalty server for online casinos."""
