"""A local web page for predictions: rectified page, model input, probabilities and saliency of dropped files."""
