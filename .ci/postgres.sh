# shellcheck shell=bash
# Sourced by the scripts beside it: a throwaway PostgreSQL behind a Unix socket.
#
#   postgres_find           sets PG_BIN, or fails
#   postgres_start DIR      starts one below DIR and exports DATABASE_URL; DIR must not exist or be empty
#   postgres_stop DIR       stops it
#
# Root cannot run PostgreSQL, so it is run as `postgres`, or `nobody` where there is no such account.

postgres_find() {
  if [ -n "${PG_BIN:-}" ]; then return; fi
  local dir
  while read -r dir; do
    if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && [ -x "$dir/psql" ]; then
      PG_BIN=$dir
      return
    fi
  done < <(
    printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin \
      /usr/local/opt/postgresql*/bin | sort -rV
    tr : '\n' <<<"$PATH"
  )
  return 1
}

postgres_as() {
  local user
  if [ "$(id -u)" -ne 0 ]; then
    "$@"
    return
  fi
  user=$(postgres_user)
  if command -v setpriv >/dev/null; then
    setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"
  else
    su "$user" -s /bin/sh -c 'exec "$@"' -- sh "$@"
  fi
}

postgres_user() {
  if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

postgres_start() {
  local dir=$1
  if ! postgres_find; then
    echo "PostgreSQL is not installed: apt-get install postgresql, or name the directory of its programs in PG_BIN" >&2
    return 1
  fi
  mkdir -p "$dir"
  if [ "$(id -u)" -eq 0 ]; then chown "$(postgres_user)" "$dir"; fi
  (
    cd /
    export LC_ALL=C TZ=UTC
    postgres_as "$PG_BIN/initdb" -D "$dir/data" -U lamplighter -A trust -E UTF8 --no-locale --no-sync --no-instructions
    postgres_as "$PG_BIN/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 start \
      -o "-k $dir -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
  ) >"$dir.out" 2>&1 || {
    cat "$dir.out" "$dir/log" >&2 2>/dev/null
    return 1
  }
  "$PG_BIN/psql" -X -q -h "$dir" -U lamplighter -d postgres -c 'CREATE DATABASE lamplighter'
  export DATABASE_URL="postgres://lamplighter@localhost/lamplighter?host=$dir"
}

postgres_stop() {
  local dir=$1
  if [ -f "$dir/data/postmaster.pid" ]; then
    (cd / && postgres_as "$PG_BIN/pg_ctl" -D "$dir/data" -m immediate -w stop) >/dev/null
  fi
}
