"""What an architecture is worth without training it: published figures and training-free scores."""
