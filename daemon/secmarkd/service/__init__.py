"""The service: one event loop around the core, and the adapters of journal, service manager and files below /run."""
