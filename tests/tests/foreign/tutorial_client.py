"""The client of the Winsock tutorial: send, shut down sending, receive until there is no more, close.

Usage: tutorial_client.py HOST PORT. Writes what it receives to standard output.
"""

import socket
import sys

peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))
peer.sendall(b"this is a test")
peer.shutdown(socket.SHUT_WR)
while data := peer.recv(512):
    sys.stdout.buffer.write(data)
peer.close()
