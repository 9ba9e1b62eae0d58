#!/usr/bin/env bash
# Scores of performance and accessibility by Lighthouse, by hand: APRENDIZ_SITE=http://127.0.0.1:PORT APRENDIZ_API_KEY=... scripts/lighthouse.sh
# (`./dev browser --serve` starts an installation and prints both). Signs in for the cookie of a session; writes to lighthouse/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lighthouse=lighthouse@12.8.2  # the newest that works with Node.js 20
views=(/sign-in /runs /models /data/documents /review /operations)
folder=lighthouse
mkdir -p "$folder"

api() { curl -sf -H "Authorization: Bearer $APRENDIZ_API_KEY" "$APRENDIZ_SITE$1"; }

run=$(api '/v1/training-runs?status=succeeded&limit=1' | sed -n 's/.*"items":\[{"id":"\([^"]*\)".*/\1/p')
[[ -z $run ]] || views+=("/runs/$run")
cookie=$(curl -sf -o /dev/null -D - -H 'Content-Type: application/json' -d "{\"api_key\":\"$APRENDIZ_API_KEY\"}" "$APRENDIZ_SITE/v1/session" \
    | sed -n 's/^[Ss]et-[Cc]ookie: \([^;]*\).*/\1/p' | tr -d '\r' | paste -sd';')
[[ -n $cookie ]] || { echo "error: the server set no cookie" >&2; exit 1; }

for preset in desktop mobile; do
    options=()
    [[ $preset == mobile ]] || options+=(--preset=desktop)
    for view in "${views[@]}"; do
        file=$folder/$preset$(tr '/' '-' <<<"$view").json
        headers="{\"Cookie\":\"$cookie\"}"
        [[ $view != /sign-in ]] || headers='{}'
        rm -f "$file"
        CHROME_PATH=${CHROMIUM:-/usr/bin/chromium} npx --yes "$lighthouse" "$APRENDIZ_SITE$view" --quiet --output=json --output-path="$file" \
            --only-categories=performance,accessibility --extra-headers="$headers" "${options[@]}" \
            --chrome-flags="--headless=new --no-sandbox --disable-gpu --disable-quic" || { echo "$preset  failed  $view"; continue; }
        node -e '
            const { categories, audits } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
            const score = (name) => String(Math.round(categories[name].score * 100)).padStart(4);
            const weak = Object.values(audits).filter(({ score, scoreDisplayMode }) => scoreDisplayMode === "binary" && score === 0);
            console.log(`${process.argv[2].padEnd(8)} performance${score("performance")}  accessibility${score("accessibility")}  ` +
                `LCP ${audits["largest-contentful-paint"].displayValue}  TBT ${audits["total-blocking-time"].displayValue}  ` +
                `CLS ${audits["cumulative-layout-shift"].displayValue}  load ${require("node:os").loadavg()[0].toFixed(1)}  ${process.argv[3]}  ` +
                weak.map(({ id }) => id).join(" "));
        ' "$file" "$preset" "$view"
    done
done
