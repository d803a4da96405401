"""A local web page: drop a file, see the page found, the model's image, its probabilities and where it looked."""
