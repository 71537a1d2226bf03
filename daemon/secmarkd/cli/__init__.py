"""The two programs: `secmarkd`, the service, and `secmarkctl`, with one module for each group of verbs.

This is where adapters are chosen and put together, where errors are printed, and nowhere else.
"""
