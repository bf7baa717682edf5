"""Tests of recognising media by content and of proving that a container is whole."""
