"""A client that has unread and unsent data while the server ends.

Usage: late_client.py HOST PORT. Sends 200 bytes; waits for a line on standard input; sends 100,000 more; only then receives, until the
end. Writes what it receives to standard output, and to standard error how that ended.
"""

import socket
import sys

peer = socket.socket()
# A small window, so that most of the reply is still at the server's end. Before the connect, or it has no effect.
peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
peer.connect((sys.argv[1], int(sys.argv[2])))
peer.sendall(b"a" * 200)
sys.stdin.readline()
try:
    peer.sendall(b"b" * 100_000)
except OSError as error:
    print("send: %s" % error.strerror, file=sys.stderr)
try:
    while data := peer.recv(65536):
        sys.stdout.buffer.write(data)
except OSError as error:
    print("recv: %s" % error.strerror, file=sys.stderr)
peer.close()
