"""The stages, one file each, in order: profile, search, train, export, measure, verify, demo."""
