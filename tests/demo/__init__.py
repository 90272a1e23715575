"""The demo and the documents of the repository, as a newcomer meets them."""
