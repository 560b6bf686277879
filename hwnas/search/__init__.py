"""One search: from its configuration downhill to the record of what was chosen."""
