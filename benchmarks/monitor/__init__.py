"""How often monitoring raises a false alarm without drift, and how often it detects drift."""
