"""One module per system the flows touch, over its official client."""
