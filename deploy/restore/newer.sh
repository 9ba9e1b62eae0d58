#!/usr/bin/env bash
# newer.sh: lists the runs that the bucket knows and the database does not, after restoring an older backup of the database.
#
#   aws s3 ls --recursive s3://BUCKET/PREFIX | deploy/restore/newer.sh        DATABASE_URL is that of the restored database
#
# Reads names of objects, one in each line, and prints for each unknown run its id, when it was created (the id holds the time) and its
# number of objects. A run that stored no object is not seen.
set -euo pipefail
[[ -n ${DATABASE_URL:-} ]] || { printf 'DATABASE_URL is not set\n' >&2; exit 2; }
uuid='[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
runs=$(grep -Eo "run-$uuid" | sort | uniq -c | awk '{ print substr($2, 5) "," $1 }')
[[ -n $runs ]] || { printf 'no object of a run on standard input\n' >&2; exit 1; }
# a URL on the command line would be visible to other users, so it goes into the service file of libpq
service=$(mktemp)
trap 'rm -f "$service"' EXIT
if [[ $DATABASE_URL =~ ^postgres(ql)?://([^:@/]+)(:([^@/]*))?@([^:/?]+)(:([0-9]+))?/([^?]+)$ ]]; then
    decode() { printf '%b' "${1//%/\\x}"; }
    {
        printf '[newer]\nuser=%s\npassword=%s\n' "$(decode "${BASH_REMATCH[2]}")" "$(decode "${BASH_REMATCH[4]}")"
        printf 'host=%s\nport=%s\ndbname=%s\n' "${BASH_REMATCH[5]}" "${BASH_REMATCH[7]:-5432}" "$(decode "${BASH_REMATCH[8]}")"
    } >"$service"
else
    printf 'DATABASE_URL has another form than postgres://user:password@host:port/database\n' >&2
    exit 2
fi
{
    printf 'CREATE TEMPORARY TABLE found (id uuid PRIMARY KEY, objects bigint NOT NULL);\nCOPY found FROM STDIN WITH (FORMAT csv);\n%s\n\\.\n' "$runs"
    cat <<'SQL'
SELECT found.id AS run, to_timestamp(('x0000' || left(replace(found.id::text, '-', ''), 12))::bit(64)::bigint / 1000.0) AS created, found.objects
FROM found LEFT JOIN training_runs ON training_runs.id = found.id WHERE training_runs.id IS NULL ORDER BY found.id;
SQL
} | PGSERVICEFILE=$service PGSERVICE=newer psql -X -q -v ON_ERROR_STOP=1
