"""The server of the Winsock tutorial: accept one client, send back what comes until there is no more, shut down sending, close.

Says where it listens, then how much it received.
"""

import socket

listener = socket.create_server(("127.0.0.1", 0))
print("listening on %s:%d" % listener.getsockname(), flush=True)
peer, _ = listener.accept()
listener.close()
received = 0
while data := peer.recv(512):
    received += len(data)
    peer.sendall(data)
peer.shutdown(socket.SHUT_WR)
peer.close()
print("received %d" % received, flush=True)
