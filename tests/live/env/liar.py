"""A proxy in front of a Redis server that changes some answers, so that the server looks broken or hostile."""
import socket
import threading

from .redis import free_port


class Liar:
    """
    LIE(command, reply) is called for each command, a list of bytes, with the bytes of the true reply. It returns what the
    client gets: bytes; None, to close the connection; or an iterator of bytes that are sent one after the other.
    """

    def __init__(self, redis):
        self.redis = redis
        self.lie = None
        self.port = free_port()
        self.told = 0
        self._server = socket.create_server(("127.0.0.1", self.port))
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self._sockets.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            with client, socket.create_connection(("127.0.0.1", self.redis.port)) as upstream:
                self._sockets.append(upstream)
                commands, replies = client.makefile("rb"), upstream.makefile("rb")
                while True:
                    raw, command = self._command(commands)
                    upstream.sendall(raw)
                    reply = self._reply(replies)
                    answer = self.lie(command, reply) if self.lie else reply
                    self.told += answer is not reply
                    if answer is None:
                        return
                    for part in [answer] if isinstance(answer, bytes) else answer:
                        client.sendall(part)
        except (OSError, ValueError, EOFError):
            pass

    @staticmethod
    def _command(file):
        line = file.readline()
        if not line:
            raise EOFError
        raw, words = [line], []
        for _ in range(int(line[1:])):
            head = file.readline()
            body = file.read(int(head[1:]) + 2)
            raw += [head, body]
            words.append(body[:-2])
        return b"".join(raw), words

    @classmethod
    def _reply(cls, file):
        line = file.readline()
        if not line:
            raise EOFError
        if line[:1] == b"$" and int(line[1:]) >= 0:
            return line + file.read(int(line[1:]) + 2)
        if line[:1] == b"*" and int(line[1:]) > 0:
            return line + b"".join(cls._reply(file) for _ in range(int(line[1:])))
        return line

    def close(self):
        self._server.close()
        for each in self._sockets:
            each.close()
