"""What a network costs on a device: measured blocks, the table that holds them, and the sums that predict from it."""
