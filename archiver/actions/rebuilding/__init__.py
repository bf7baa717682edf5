"""What a rebuild is made of: how sidecars are read while others are written."""
