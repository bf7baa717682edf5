"""The verbs: what archiver does with an index, providers and destinations, one verb a file."""
