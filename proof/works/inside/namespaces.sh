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
grep -q -e '--no-sandbox' said
echo works
