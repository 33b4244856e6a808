"""What tools do to files: databases, locks, sparse files, copies in the kernel, links, attributes, modes, directories moved."""
import fcntl
import os
import shutil
import sqlite3
import subprocess
import tempfile

database = sqlite3.connect("works.db")
assert database.execute("pragma journal_mode=wal").fetchone() == ("wal",)
database.execute("create table t (x)")
database.executemany("insert into t values (?)", [(count,) for count in range(1000)])
database.commit()
assert sqlite3.connect("works.db").execute("select sum(x) from t").fetchone() == (499500,)

with open("given.txt", "r+", encoding="utf-8") as file:  # A file that was there before: copied up, in place.
    fcntl.lockf(file, fcntl.LOCK_EX)
    assert file.read() == "given\n"
    file.write("more\n")
os.truncate("given.txt", 3)
assert os.path.getsize("given.txt") == 3

with open("one", "wb") as file:
    os.posix_fallocate(file.fileno(), 0, 8192)
    file.seek(1 << 30)
    file.write(b"end")
assert os.stat("one").st_blocks * 512 < 1 << 20
with open("one", "rb") as source, open("two", "wb") as target:
    assert os.copy_file_range(source.fileno(), target.fileno(), 4096) == 4096
os.link("two", "three")
os.chmod("three", 0o700)
os.utime("three", (1, 1))
assert os.stat("two").st_mode & 0o777 == 0o700 and os.stat("two").st_mtime == 1

shutil.move("given", "moved")  # A directory that was there before: rename(2) of it may be EXDEV, as on any overlay.
assert os.path.exists("moved/inner/leaf") and not os.path.exists("given")
os.mkfifo("fifo")
os.mkdir("made")
os.rename("made", "renamed")
shutil.rmtree("renamed")

with tempfile.TemporaryDirectory() as temporary:
    subprocess.run(["tar", "-czf", f"{temporary}/all.tgz", "moved", "two"], check=True)
    subprocess.run(["tar", "-xzf", f"{temporary}/all.tgz", "-C", temporary], check=True)
    subprocess.run(["diff", "-r", "moved", f"{temporary}/moved"], check=True)
with tempfile.NamedTemporaryFile() as unnamed:
    fcntl.flock(unnamed, fcntl.LOCK_EX)
os.unlink("one")
os.unlink("fifo")
print("works")
