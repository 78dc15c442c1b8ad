//! Runs a session: the feed's thread, the network's thread, and the loop that draws.
