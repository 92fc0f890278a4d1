"""Looking at a server from outside: what mod_status says, and what its processes hold."""
import os

from .wait import wait_until

# With load("status"), in the configuration.
STATUS = "<Location /server-status>\nSetHandler server-status\n</Location>\n"


def auto(httpd, **connection):
    """/server-status?auto as a dict."""
    response = httpd.get("/server-status?auto", **connection)
    assert response.status == 200, response
    pairs = (line.split(": ", 1) for line in response.text.splitlines() if ": " in line)
    return dict(pairs)


def number(httpd, name, **connection):
    return int(auto(httpd, **connection)[name])


def wait_subscribers(httpd, count, **connection):
    wait_until(lambda: number(httpd, "MercureSubscribers", **connection) == count,
               what=f"{count} subscribers in /server-status", pause=0.1)


def descriptors(pid):
    """How many descriptors process PID has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def owner(httpd, conn):
    """The child that holds the server's end of connection CONN."""
    local, remote = conn.sock.getpeername()[1], conn.sock.getsockname()[1]

    def find():
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [line.split() for line in table][1:]
        inode = next((row[9] for row in rows if int(row[1].split(":")[1], 16) == local
                      and int(row[2].split(":")[1], 16) == remote), None)
        for pid in httpd.children():
            try:
                fds = os.listdir(f"/proc/{pid}/fd")
            except OSError:
                continue  # it has ended
            for fd in fds:
                try:
                    if os.readlink(f"/proc/{pid}/fd/{fd}") == f"socket:[{inode}]":
                        return pid
                except OSError:
                    continue
        return None

    return wait_until(find, what="the child that has the connection")
