"""`python -m purser_server` is `purser`."""

from purser_server.cli import main

if __name__ == "__main__":
    main()
