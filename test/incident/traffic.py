"""Traffic of the incidents, over the loopback of a namespace: `traffic.py KIND`.

Each line of standard input is a new rate, connections a second; its end is the end. Evenly paced, whatever the delays.
  serve PORT...   answers TCP lines and UDP datagrams on these ports (no rate)
  visit PORT      short connections from some addresses, as visitors of a web service
  crowd PORT      the same from a thousand addresses of 10.77.0.0/17, to 10.77.255.1
  churn PORT      short connections from one address
  leak PORT       connections that stay open
  retry PORT      short connections from one address; one that fails within a second is tried three times more
  datagrams PORT  a datagram a socket; waits for no answer
  flood PORT      SYNs from invented addresses, over a raw socket
  scan            SYNs from one address to many addresses and ports, over a raw socket
"""
import random
import resource
import select
import socket
import struct
import sys
import threading
import time

HOST = '127.0.0.1'
SLICE_SECONDS = 0.02


def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    random.seed(1)
    kind, ports = sys.argv[1], [int(port) for port in sys.argv[2:]]
    if kind == 'serve':
        serve(ports)
        sys.stdin.read()
        return
    clients = {'visit': Visitors, 'crowd': Crowd, 'churn': Connections, 'leak': Leak, 'retry': Retries,
               'datagrams': Datagrams, 'flood': Flood, 'scan': Scan}
    pace(clients[kind](*ports))


def pace(client):
    rate, due, last, buffered = 0.0, 0.0, time.monotonic(), ''
    while True:
        if select.select([sys.stdin.fileno()], [], [], 0)[0]:
            text = sys.stdin.buffer.raw.read(1024).decode()
            if text == '':
                return
            *lines, buffered = (buffered + text).split('\n')
            if lines:
                rate = float(lines[-1])
        now = time.monotonic()
        due += rate * (now - last)
        last = now
        while due >= 1:
            client.open()
            due -= 1
        client.serve(SLICE_SECONDS)


class Connections:
    """Non-blocking connections: asks a line, reads the answer, closes first."""

    host = HOST

    def __init__(self, port):
        self.port = port
        self.poll = select.epoll()
        self.open_sockets = {}

    def source(self):
        return None

    def open(self, tries=0):
        sock = socket.socket()
        sock.setblocking(False)
        source = self.source()
        if source is not None:
            sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            sock.bind((source, 0))
        sock.connect_ex((self.host, self.port))
        self.open_sockets[sock.fileno()] = (sock, time.monotonic(), tries)
        self.poll.register(sock, select.EPOLLOUT)

    def serve(self, seconds):
        until = time.monotonic() + seconds
        while True:
            for descriptor, events in self.poll.poll(max(0, until - time.monotonic())):
                self.react(descriptor, events)
            if time.monotonic() >= until:
                return

    def react(self, descriptor, events):
        sock = self.open_sockets[descriptor][0]
        if events & (select.EPOLLERR | select.EPOLLHUP):
            self.close(descriptor)
        elif events & select.EPOLLOUT:
            sock.send(b'PING\r\n')
            self.poll.modify(sock, select.EPOLLIN)
        else:
            self.answered(descriptor)

    def answered(self, descriptor):
        self.close(descriptor)

    def close(self, descriptor):
        self.open_sockets.pop(descriptor)[0].close()


class Visitors(Connections):
    def source(self):
        return f'127.0.1.{random.randrange(1, 9)}'


class Crowd(Connections):
    host = '10.77.255.1'

    def source(self):
        number = random.randrange(1000)
        return f'10.77.{number // 250}.{1 + number % 250}'


class Leak(Connections):
    """Its connections stay open, and it has no more use for them."""

    def __init__(self, port):
        super().__init__(port)
        self.kept = []

    def answered(self, descriptor):
        sock = self.open_sockets.pop(descriptor)[0]
        self.poll.unregister(sock)
        self.kept.append(sock)


class Retries(Connections):
    tries_max = 3

    def serve(self, seconds):
        super().serve(seconds)
        late = time.monotonic() - 1
        for descriptor, (_, opened, tries) in list(self.open_sockets.items()):
            if opened < late:
                self.close(descriptor)
                if tries < self.tries_max:
                    self.open(tries + 1)


class Datagrams:
    def __init__(self, port):
        self.port = port
        self.open_sockets = []

    def open(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.connect((HOST, self.port))
            sock.send(b'question')
        except OSError:
            pass
        self.open_sockets.append((time.monotonic(), sock))

    def serve(self, seconds):
        time.sleep(seconds)
        while self.open_sockets and self.open_sockets[0][0] < time.monotonic() - 1:
            self.open_sockets.pop(0)[1].close()


class Raw:
    """SYNs whose every field is ours."""

    def __init__(self, port=0):
        self.port = port
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def serve(self, seconds):
        time.sleep(seconds)

    def send(self, source, destination, port):
        ports = struct.pack('!HH', random.randrange(1024, 65535), port)
        fields = struct.pack('!IIBBHHH', random.getrandbits(32), 0, 5 << 4, 2, 64240, 0, 0)
        source, destination = socket.inet_aton(source), socket.inet_aton(destination)
        pseudo = source + destination + struct.pack('!BBH', 0, 6, 20)
        words = struct.unpack('!16H', pseudo + ports + fields)
        total = sum(words)
        total = (total & 0xffff) + (total >> 16)
        checksum = ~(total + (total >> 16)) & 0xffff
        tcp = ports + fields[:12] + struct.pack('!H', checksum) + fields[14:]
        header = struct.pack('!BBHHHBBH', 0x45, 0, 40, random.getrandbits(16), 0, 64, 6, 0) + source + destination
        self.socket.sendto(header + tcp, (socket.inet_ntoa(destination), 0))


class Flood(Raw):
    def open(self):
        number = random.randrange(1 << 22)
        self.send(f'127.{64 + (number >> 16)}.{(number >> 8) & 255}.{1 + number % 254}', HOST, self.port)


class Scan(Raw):
    def __init__(self):
        super().__init__()
        self.number = 0

    def open(self):
        self.number += 1
        self.send(HOST, f'127.7.{(self.number >> 8) & 255}.{1 + self.number % 254}', random.choice([22, 23, 80, 443, 8080]))


def serve(ports):
    for port in ports:
        threading.Thread(target=serve_tcp, args=(port,), daemon=True).start()
        threading.Thread(target=serve_udp, args=(port,), daemon=True).start()


def serve_tcp(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('0.0.0.0', port))
    listener.listen(4096)
    poll, peers = select.epoll(), {}
    poll.register(listener, select.EPOLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == listener.fileno():
                peer = listener.accept()[0]
                peers[peer.fileno()] = peer
                poll.register(peer, select.EPOLLIN)
                continue
            peer = peers[descriptor]
            try:
                asked = peer.recv(1024)
                if asked:
                    peer.send(b'+PONG\r\n')
                    continue
            except OSError:
                pass
            del peers[descriptor]
            peer.close()


def serve_udp(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(('0.0.0.0', port))
    while True:
        question, peer = sock.recvfrom(2048)
        # As statsd does not.
        if port != 8125:
            sock.sendto(question, peer)


main()
