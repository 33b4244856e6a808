"""inotify: a file made, written, moved and removed beneath a watch, in the workspace and in a temporary directory."""
import ctypes
import os
import struct
import tempfile

libc = ctypes.CDLL(None, use_errno=True)
CREATE, MODIFY, MOVED_FROM, MOVED_TO, DELETE = 0x100, 0x2, 0x40, 0x80, 0x200


def events(fd):
    data, found = os.read(fd, 65536), []
    while data:
        _, mask, _, length = struct.unpack_from("iIII", data)
        found.append((mask, data[16:16 + length].rstrip(b"\0").decode()))
        data = data[16 + length:]
    return found


os.mkdir("watched")
for directory in (os.path.abspath("watched"), tempfile.mkdtemp()):
    fd = libc.inotify_init1(0o2000000)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    watch = libc.inotify_add_watch(fd, directory.encode(), CREATE | MODIFY | MOVED_FROM | MOVED_TO | DELETE)
    assert watch >= 0, os.strerror(ctypes.get_errno())
    path = os.path.join(directory, "a")
    with open(path, "w", encoding="utf-8") as file:
        file.write("text")
    os.rename(path, path + "b")
    os.unlink(path + "b")
    expected = [(CREATE, "a"), (MODIFY, "a"), (MOVED_FROM, "a"), (MOVED_TO, "ab"), (DELETE, "ab")]
    found = events(fd)
    assert found == expected, (directory, found)
    os.close(fd)
print("works")
