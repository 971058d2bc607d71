"""A server that does what looks right and loses the reply: reads 100 bytes, replies with 150,000, closes, although more has come.

Says where it listens, then that it has closed.
"""

import socket

listener = socket.create_server(("127.0.0.1", 0))
# The whole reply fits the system's buffer, so sending it does not wait for the client.
listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
print("listening on %s:%d" % listener.getsockname(), flush=True)
peer, _ = listener.accept()
listener.close()
# All 200 bytes are there, and half of them stay unread.
while len(peer.recv(200, socket.MSG_PEEK)) < 200:
    pass
peer.recv(100)
peer.sendall(b"r" * 150_000)
peer.close()
print("closed", flush=True)
