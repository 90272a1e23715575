"""gRPC: servicers, conversion between messages and the domain, errors, authentication."""
