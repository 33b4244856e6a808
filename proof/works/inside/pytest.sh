# pytest with temporary directories, child processes and its cache.
set -eu
cat >test_works.py <<'END'
import subprocess, sys, threading

def test_directory(tmp_path):
    (tmp_path / "a").write_text("1")
    assert (tmp_path / "a").read_text() == "1"

def test_child(capfd):
    subprocess.run([sys.executable, "-c", "print(2)"], check=True)
    assert capfd.readouterr().out == "2\n"

def test_thread(monkeypatch):
    monkeypatch.setenv("WORKS", "3")
    found = []
    thread = threading.Thread(target=lambda: found.append(3))
    thread.start()
    thread.join()
    assert found == [3]
END
python3 -m pytest -q
[ -d .pytest_cache ]
echo works
