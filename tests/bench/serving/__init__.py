"""The service beside what a user would write instead, on the same cores: `make bench`."""
