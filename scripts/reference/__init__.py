"""Makes docs/reference, pages for people, of the comments in protos/."""
