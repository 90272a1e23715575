"""`python -m purser_casino` is `purser-casino`."""

from purser_casino.cli import main

if __name__ == "__main__":
    main()
