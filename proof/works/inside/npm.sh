# Installs a package and its dependency from the registry that the check serves, with an install script.
set -eu
echo '{"name": "top", "private": true}' >package.json
npm install --registry "$REGISTRY" --no-audit --no-fund --no-update-notifier works-top
[ "$(node -e 'console.log(require("works-top"))')" = 'top of leaf' ]
mkdir -p local && echo '{"name": "works-local", "version": "1.0.0", "main": "m.js"}' >local/package.json
echo 'module.exports = "local"' >local/m.js
npm install --registry "$REGISTRY" --no-audit --no-fund --no-update-notifier ./local
[ "$(node -e 'console.log(require("works-local"))')" = 'local' ]
echo works
