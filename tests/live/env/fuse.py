"""A file system (FUSE, without a library) that hangs: programs that open a file in it wait."""
import ctypes
import errno
import os
import stat
import struct
import threading

LOOKUP, FORGET, GETATTR, OPEN, INIT = 1, 2, 3, 14, 26
ROOT, FILE = 1, 2  # numbers of nodes


class HangingFileSystem:
    """
    Mounts at FOLDER a file system with one file NAME, which belongs to the user OWNER. Opening it blocks until the end
    of the block, and then fails. `opened` is set once a process waits. Raises OSError where this process may not mount
    it.
    """

    def __init__(self, folder, name, owner):
        self.folder, self.name, self.owner = folder, name, owner
        self.opened = threading.Event()
        self.waiting = []
        self.libc = ctypes.CDLL(None, use_errno=True)

    def __enter__(self):
        self.fd = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self.fd},rootmode=40755,user_id=0,group_id=0,allow_other"
        if self.libc.mount(b"hanging", self.folder.encode(), b"fuse", 0, options.encode()) != 0:
            os.close(self.fd)
            raise OSError(ctypes.get_errno(), "mount")
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *exc):
        for unique in self.waiting:
            self._answer(unique, error=errno.EIO)
        self.libc.umount2(self.folder.encode(), 2)  # MNT_DETACH
        os.close(self.fd)

    def _answer(self, unique, body=b"", error=0):
        try:
            os.write(self.fd, struct.pack("=IiQ", 16 + len(body), -error, unique) + body)
        except OSError:
            pass  # nothing waits for it any more

    def _attributes(self, node):
        mode = stat.S_IFDIR | 0o755 if node == ROOT else stat.S_IFREG | 0o644
        return struct.pack("=6Q10I", node, 64, 1, 0, 0, 0, 0, 0, 0, mode, 1, self.owner, self.owner, 0, 4096, 0)

    def _serve(self):
        while True:
            try:
                request = os.read(self.fd, 1 << 17)
            except OSError:
                return
            _, operation, unique, node = struct.unpack_from("=IIQQ", request)
            if operation == INIT:
                self._answer(unique, struct.pack("=IIIIHHIIHHI28x", 7, 31, 0, 0, 12, 8, 4096, 1, 0, 0, 0))
            elif operation == LOOKUP and request[40:].rstrip(b"\0") == self.name.encode():
                self._answer(unique, struct.pack("=QQQQII", FILE, 0, 60, 60, 0, 0) + self._attributes(FILE))
            elif operation == LOOKUP:
                self._answer(unique, error=errno.ENOENT)
            elif operation == GETATTR:
                self._answer(unique, struct.pack("=QII", 60, 0, 0) + self._attributes(node))
            elif operation == OPEN:
                self.waiting.append(unique)
                self.opened.set()
            elif operation != FORGET:
                self._answer(unique, error=errno.ENOSYS)
