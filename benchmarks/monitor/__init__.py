"""How often monitoring raises a false alarm on portfolios that do not drift, and how often it sees one that does."""
