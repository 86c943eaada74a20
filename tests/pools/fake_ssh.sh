#!/bin/sh
# A fake ssh: `fake_ssh.sh HOST COMMAND ARGUMENT...` gives the words to a shell, as ssh does, but on this machine.
# In its folder `calls` has a line for every call, and `trouble` says what goes wrong: `KIND NUMBER`, the number of the call.
folder=$(dirname "$0")
shift
echo "$*" >> "$folder/calls"
call=$(wc -l < "$folder/calls")
kind= number=0
[ -e "$folder/trouble" ] && read -r kind number < "$folder/trouble"
lost() {
    echo "fake_ssh: connection lost" >&2
    exit 255
}
if [ "$kind" = gone ] && [ "$call" -ge "$number" ]; then lost; fi
if [ "$kind" = forgets-owner ] && [ "$1" = cp ]; then shift 2; set -- cp "$@"; fi
if [ "$call" -eq "$number" ]; then
    case $kind in
        fails) lost ;;
        fails-late) sh -c "$*"; lost ;;
        kills) kill -KILL "$PPID"; exit ;;
        kills-late) sh -c "$*" > /dev/null; kill -KILL "$PPID"; exit ;;
        held) (: > "$folder/begun"; until [ -e "$folder/go" ]; do sleep 0.05; done; sh -c "$*"; echo done > "$folder/late") & wait; exit ;;
        slow) (sleep 1; sh -c "$*"; echo done > "$folder/late") & wait; exit ;;
    esac
fi
exec sh -c "$*"
