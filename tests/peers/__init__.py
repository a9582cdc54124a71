"""Peers: the servers and clients on the other side of the wire, all of them real processes or sockets on loopback."""
