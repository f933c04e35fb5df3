"""Training as the server sees it: algorithms, the loop, what a server run is."""
