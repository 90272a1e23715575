"""What holds for every order of events, asked of the real server."""
