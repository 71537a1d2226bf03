"""What nftables should hold and does hold: the table's parts, compiling, encoding, decoding, comparing, planning. Pure."""
