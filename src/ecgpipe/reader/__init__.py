"""Reading ECG pages: a network that finds the traces on any page, and the pages that it learns from."""
