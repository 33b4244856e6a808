# Makes a venv and installs a wheel with a dependency and a command into it.
set -eu
python3 -m venv venv
venv/bin/pip install -q --no-index --find-links "$WHEELS" works-top
[ "$(venv/bin/works-top)" = 'top of leaf' ]
venv/bin/pip check -q
venv/bin/pip uninstall -q -y works-leaf
if venv/bin/works-top 2>/dev/null; then exit 1; fi
echo works
