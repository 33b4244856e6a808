"""Big and executable memory: a large reservation, code written then run, memfd, shared memory, semaphores."""
import ctypes
import mmap
import multiprocessing
import multiprocessing.shared_memory
import os

NORESERVE = 0x4000
RETURN_42 = b"\xb8\x2a\x00\x00\x00\xc3"


def run(memory):
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()


def child(lock, name):
    memory = multiprocessing.shared_memory.SharedMemory(name)
    with lock:
        memory.buf[0] = 42
    memory.close()


if __name__ == "__main__":
    # What a garbage collector or a JIT reserves before it uses any of it.
    reserved = mmap.mmap(-1, 64 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE)
    reserved[0] = reserved[32 << 30] = 1

    used = mmap.mmap(-1, 512 << 20)
    used.write(b"x" * (256 << 20))

    both = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    both.write(RETURN_42)
    assert run(both) == 42

    libc = ctypes.CDLL(None, use_errno=True)
    later = mmap.mmap(-1, 4096)
    later.write(RETURN_42)
    address = ctypes.addressof(ctypes.c_char.from_buffer(later))
    assert libc.mprotect(ctypes.c_void_p(address), 4096, 5) == 0, os.strerror(ctypes.get_errno())
    assert ctypes.CFUNCTYPE(ctypes.c_int)(address)() == 42

    fd = os.memfd_create("works")
    os.ftruncate(fd, 4096)
    writable = mmap.mmap(fd, 4096)
    writable.write(RETURN_42)
    executable = mmap.mmap(fd, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    assert run(executable) == 42

    shared = multiprocessing.shared_memory.SharedMemory(create=True, size=4096)
    context = multiprocessing.get_context("spawn")
    lock = context.Lock()
    process = context.Process(target=child, args=(lock, shared.name))
    process.start()
    process.join(30)
    assert process.exitcode == 0 and shared.buf[0] == 42
    shared.close()
    shared.unlink()
    print("works")
