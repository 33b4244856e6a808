# Stops a program of its own at a breakpoint and reads a variable; then attaches to a running child.
set -eu
cat >program.c <<'END'
#include <unistd.h>
int answer(int half) { return half * 2; }
int main(void) { int found = answer(21); for (;;) { write(1, ".", 1); sleep(1); } return found; }
END
cc -g -O0 -o program program.c
gdb -q -nx -batch -ex 'break answer' -ex run -ex 'print half * 2' -ex 'backtrace' -ex kill ./program >launched.txt 2>&1
grep -q '^\$1 = 42$' launched.txt || { cat launched.txt; exit 1; }
grep -q 'in main' launched.txt
./program >dots.txt &
child=$!
until [ -s dots.txt ]; do sleep 0.05; done
gdb -q -nx -batch -ex 'up 99' -ex 'print found' -ex detach -p "$child" >attached.txt 2>&1
kill "$child"
grep -q '= 42$' attached.txt || { cat attached.txt; exit 1; }
echo works
