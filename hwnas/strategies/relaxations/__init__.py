"""Search by the gradient of a loss through the gates of a supernet, one method a file."""
