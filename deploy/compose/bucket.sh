#!/bin/sh
# Prepares Garage: a layout with its one node, the key of s3_credentials, and the bucket that the key may use. Safe to repeat.
set -eu
garage=${GARAGE:?the address of the administration interface is missing}
bucket=${BUCKET:?the name of the bucket is missing}
secrets=${SECRETS:-/run/secrets}
token=$(cat "$secrets/garage_admin_token")
access_key=$(sed -n 's/^aws_access_key_id = //p' "$secrets/s3_credentials")
secret_key=$(sed -n 's/^aws_secret_access_key = //p' "$secrets/s3_credentials")

# call METHOD PATH [BODY]: prints the answer. Token and body come from standard input, because arguments are visible to other processes.
call() {
    {
        printf 'header = "Authorization: Bearer %s"\nheader = "Content-Type: application/json"\n' "$token"
        [ -z "${3:-}" ] || printf 'data = "%s"\n' "$(printf '%s' "$3" | sed 's/"/\\"/g')"
    } | curl -sS --fail-with-body --max-time 30 -X "$1" -K - "$garage/v2/$2"
}

# the first value of a key in a JSON answer; the image has no jq
value() { sed -n "s/.*\"$1\" *: *\"\{0,1\}\([^\",}]*\).*/\1/p" | head -n 1; }

version=$(call GET GetClusterLayout | value version)
if [ "$version" = 0 ]; then
    node=$(call GET GetClusterStatus | tr '{' '\n' | sed -n 's/.*"id" *: *"\([0-9a-f]\{64\}\)".*/\1/p' | head -n 1)
    call POST UpdateClusterLayout "{\"roles\":[{\"id\":\"$node\",\"zone\":\"local\",\"capacity\":107374182400,\"tags\":[]}]}" >/dev/null
    call POST ApplyClusterLayout '{"version":1}' >/dev/null
fi
call GET "GetKeyInfo?id=$access_key" >/dev/null 2>&1 ||
    call POST ImportKey "{\"accessKeyId\":\"$access_key\",\"secretAccessKey\":\"$secret_key\",\"name\":\"aprendiz\"}" >/dev/null
call GET "GetBucketInfo?globalAlias=$bucket" >/dev/null 2>&1 || call POST CreateBucket "{\"globalAlias\":\"$bucket\"}" >/dev/null
id=$(call GET "GetBucketInfo?globalAlias=$bucket" | tr ',{' '\n\n' | sed -n 's/.*"id" *: *"\([0-9a-f]\{64\}\)".*/\1/p' | head -n 1)
call POST AllowBucketKey "{\"bucketId\":\"$id\",\"accessKeyId\":\"$access_key\",\"permissions\":{\"read\":true,\"write\":true,\"owner\":false}}" >/dev/null
echo "the bucket $bucket is ready"
