"""Search by policy gradient, one method a file: samplers that can also learn while shared weights do."""
