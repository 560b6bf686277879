"""Blocks, nets and search spaces as torch modules."""
