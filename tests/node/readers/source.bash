# Sources each file named on a line of stdin in a subshell; prints per key of $KEYS S<value> or U, NUL behind each, then E.
# No program can be started: a fuzzed file is not to run anything.
PATH=/nonexistent
emit() {
  for key in $KEYS; do
    if [[ -n ${!key+set} ]]; then builtin printf 'S%s\0' "${!key}"; else builtin printf 'U\0'; fi
  done
}
while IFS= read -r file; do
  (
    # In a trap: a file may say `exit`, and bash runs the last unknown command of a subshell in place of the subshell.
    trap emit EXIT
    builtin source "$file" </dev/null >/dev/null 2>&1
  )
  builtin printf 'E\0'
done
