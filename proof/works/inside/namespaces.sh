# Programs with a sandbox of their own: outside they make namespaces, inside they are refused in clear words.
set -eu
if [ "$INSIDE" = no ]; then
  unshare --user --map-current-user true
  bwrap --ro-bind / / --unshare-all true
  echo works
  exit
fi
if unshare --user true 2>said; then exit 1; fi
grep -q 'Operation not permitted' said
if bwrap --ro-bind / / --unshare-all true 2>said; then exit 1; fi
grep -q 'No permissions to create new namespace' said
if chromium --headless --disable-gpu --dump-dom about:blank >/dev/null 2>said; then exit 1; fi
# Where its own helper is installed, it names that: what it could do as root, nothing does inside.
grep -q -e '--no-sandbox' -e 'SUID sandbox helper' said
echo works
