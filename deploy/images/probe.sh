#!/bin/bash
# aprendiz-probe PORT PATH: asks a program in this container over HTTP, without curl. Exits 0 if the answer is 200, else 1.
#
# With --body it prints the answer, for scripts that read /metrics.
set -u
body=no
if [[ ${1:-} == --body ]]; then
    body=yes
    shift
fi
port=${1:?the port is missing}
path=${2:?the path is missing}
# a program that accepts the connection and never answers counts as a failure
exec 3<>"/dev/tcp/127.0.0.1/$port" 2>/dev/null || { printf 'no answer on port %s\n' "$port" >&2; exit 1; }
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$path" >&3
IFS= read -r -t 4 status <&3 || { printf 'no answer to %s within 4 seconds\n' "$path" >&2; exit 1; }
while IFS= read -r -t 4 line <&3 && [[ $line != $'\r' && -n $line ]]; do :; done
if [[ $body == yes ]]; then
    while IFS= read -r -t 4 line <&3 || [[ -n $line ]]; do printf '%s\n' "${line%$'\r'}"; line=; done
fi
[[ $status == 'HTTP/1.'[01]' 200 '* ]] || { printf '%s %s\n' "$path" "${status%$'\r'}" >&2; exit 1; }
