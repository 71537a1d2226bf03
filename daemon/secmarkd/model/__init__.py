"""What the administrator means: labels, the packets they select, and which label wins. Pure."""
