"""Control experiments: what a nearest neighbour, the page's margins, or shuffled labels score."""
