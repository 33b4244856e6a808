# Clones from a bare repository that is read in, commits, and commits again in a second worktree.
set -eu
git clone -q "$ORIGIN" clone
cd clone
[ "$(cat story.txt)" = 'once' ]
echo 'twice' >>story.txt
git commit -q -am 'tell it twice'
git worktree add -q ../second -b second
cd ../second
echo 'thrice' >>story.txt
git add story.txt
git commit -q -m 'tell it thrice'
git -C ../clone merge -q second
[ "$(git -C ../clone log --format=%s | wc -l)" = 3 ]
# Name and address are the operator's.
[ "$(git log -1 --format='%an <%ae>')" = 'Works Inside <works@inside.example>' ]
git fsck --no-progress
git gc -q
git init -q --bare ../bare.git
git -C ../clone push -q ../bare.git HEAD:main
[ -z "$(git status --porcelain)" ]
echo works
