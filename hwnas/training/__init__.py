"""Images in, trained weights out: data sets, batches, the training recipe and evaluation."""
