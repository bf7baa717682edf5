"""The media plane: brings one file from a stranger's host, whole and checked."""
