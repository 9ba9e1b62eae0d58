#!/usr/bin/env bash
# Writes random secrets for deploy/compose.yaml into compose/secrets/. Existing files are kept: the databases know their contents.
set -euo pipefail
folder=${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/secrets}
# Compose mounts the files as they are, for users of several containers: so only the folder is closed to others on this host
umask 022
mkdir -p "$folder"
chmod 700 "$folder"

random_hex() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }

# write NAME VALUE
write() {
    [[ -s $folder/$1 ]] || printf '%s' "$2" >"$folder/$1"
}

write postgres_password "$(random_hex 16)"
write redis_password "$(random_hex 16)"
write garage_rpc_secret "$(random_hex 32)"
write garage_admin_token "$(random_hex 24)"
write grafana_password "$(random_hex 12)"
write s3_credentials "$(printf '[default]\naws_access_key_id = GK%s\naws_secret_access_key = %s\n' "$(random_hex 12)" "$(random_hex 32)")"
write database_url "postgres://aprendiz:$(cat "$folder/postgres_password")@postgres:5432/aprendiz"
write redis_url "redis://default:$(cat "$folder/redis_password")@redis:6379"
printf 'secrets are in %s\n' "$folder"
