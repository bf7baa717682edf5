"""What `doctor` looks at: one file a subject, each of which yields findings."""
