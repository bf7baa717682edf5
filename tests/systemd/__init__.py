"""The systemd units: as systemd-analyze reads them, and as a booted systemd lives with them."""
