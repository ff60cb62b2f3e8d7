# shellcheck shell=bash
# Sourced by the scripts beside it: a daemon of its own against the simulated providers, and the Python that asks it.
#
#   town_start NAME PORT [< MORE]   starts both and waits until they answer; MORE is laid over the configuration. Sets `home`,
#                                   a directory that is gone at the end, `lamplighter`, `at` (the daemon) and `sandbox`;
#                                   the ports behind PORT are the sandbox's and its mailbox's
#   run ARGUMENTS                   `lamplighter` with the town's configuration
#   python_ready                    sets `python`, the directory of the programs that tests/browser/requirements.txt names

pids=()

town_end() {
    for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done
    wait
    rm -rf "${home:?}"
}

town_start() {
    local name=$1 port=$2
    lamplighter=$(realpath "${LAMPLIGHTER:-${CARGO_TARGET_DIR:-target}/debug/lamplighter}")
    if [ ! -x "$lamplighter" ]; then
        echo "$lamplighter is not there: cargo build, or name it in LAMPLIGHTER" >&2
        return 1
    fi
    home=$(mktemp -d "/var/tmp/lamplighter-$name.XXXXXX")
    trap town_end EXIT
    # Postgres never runs as root and must be able to pass.
    chmod 0711 "$home"
    umask 077
    at="http://127.0.0.1:$port"
    sandbox="http://127.0.0.1:$((port + 1))"
    "$lamplighter" sandbox --http "127.0.0.1:$((port + 1))" --smtp "127.0.0.1:$((port + 2))" > "$home/sandbox.toml" &
    pids+=($!)
    town_waits grep -q "Ends on" "$home/sandbox.toml"
    {
        printf 'data_dir = "%s/data"\n[web]\nlisten = "127.0.0.1:%s"\npublic_url = "%s"\napi_requests_per_minute = 1000000\n' \
            "$home" "$port" "$at"
        sed '/^\[smtp\]/a from = "Lamplighter <lamplighter@lamps.example>"' "$home/sandbox.toml"
        if [ ! -t 0 ]; then cat; fi
    } > "$home/lamplighter.toml"
    mkdir -m 0711 "$home/data"
    run key generate > /dev/null
    "$lamplighter" --config "$home/lamplighter.toml" serve > "$home/log" 2>&1 &
    pids+=($!)
    town_waits curl -sf -o "$home/openapi.json" "$at/api/v1/openapi.json"
}

town_waits() {
    for _ in $(seq 300); do
        if "$@"; then return; fi
        sleep 0.1
    done
    echo "waited 30 s in vain: $*" >&2
    tail -n 20 "$home/log" >&2 || true
    return 1
}

run() { "$lamplighter" --config "$home/lamplighter.toml" "$@"; }

python_ready() {
    local wanted=tests/browser/requirements.txt dir
    dir=$(realpath -m "${CARGO_TARGET_DIR:-target}/python")
    python=$dir/bin
    if cmp -s "$wanted" "$dir/requirements.txt"; then return; fi
    rm -rf "$dir"
    # Without pip inside: Debian's python3 cannot put it there, and the one outside does it as well.
    python3 -m venv --without-pip "$dir"
    python3 -m pip --quiet --disable-pip-version-check --python "$python/python" install --no-deps --requirement "$wanted"
    cp "$wanted" "$dir/requirements.txt"
}
