# Prints a page whose words a script made, to PDF and to text.
set -eu
cat >page.html <<'END'
<!doctype html><title>works</title><p id=p></p><script>p.textContent = ['printed', 'by', 6 * 7].join(' ')</script>
END
chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --print-to-pdf=page.pdf "file://$PWD/page.html"
[ "$(head -c 5 page.pdf)" = '%PDF-' ]
[ "$(wc -c <page.pdf)" -gt 2000 ]
chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --dump-dom "file://$PWD/page.html" | grep -q 'printed by 42'
echo works
