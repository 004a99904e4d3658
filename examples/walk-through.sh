#!/bin/sh
# A session's life, step by step: games, a session, its playlist, a swap, what it cost, its end.
# Usage: walk-through.sh ORIGIN DEVICE_KEY [OPERATOR_KEY]
set -eu

origin=${1:?usage: walk-through.sh ORIGIN DEVICE_KEY [OPERATOR_KEY]}
key=${2:?usage: walk-through.sh ORIGIN DEVICE_KEY [OPERATOR_KEY]}
operator=${3:-}
json='Content-Type: application/json'

# A refusal ends this with an error, and is printed, its `detail` among it: also where the answer goes into a variable or on to another program.
ask() {
    answer=$(curl --silent --show-error --fail-with-body -H "Authorization: Bearer $key" "$@") || {
        echo "refused: $answer" >&2
        return 1
    }
    printf '%s\n' "$answer"
}
# The first text member of that name. Real programs read JSON with a library.
member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }

echo "1. Which games are there?"
games=$(ask "$origin/v1/games")
games=$(echo "$games" | grep -o '{"id":"[^"]*","title"' | sed 's/{"id":"\(.*\)","title"/\1/')
echo "$games"
first=$(echo "$games" | sed -n 1p)
second=$(echo "$games" | sed -n 2p)

echo "2. A session of two of them. The Idempotency-Key makes it safe to ask again when an answer is lost."
session=$(ask -X POST "$origin/v1/sessions" -H "$json" -H "Idempotency-Key: walk-$$-$(date +%s)" \
    -d "{\"games\": [\"$first\", \"$second\"], \"layout\": \"2EH\", \"device_id\": \"walk-through\"}")
id=$(echo "$session" | member id)
playback_url=$(echo "$session" | member playback_url)
echo "   session $id plays at $playback_url"

echo "3. Its playlists need no key: the token is in the address. Any HLS player takes it from here."
curl --silent --show-error --fail "$playback_url" | grep -v '^#' | head -n 1
video=$(curl --silent --fail "$playback_url" | grep -v '^#' | head -n 1)
case "$video" in
http*) ;;
/*) video="$origin$video" ;;
*) video="${playback_url%/*}/$video" ;;
esac
curl --silent --show-error --fail "$video" | grep -c '^#EXTINF' | sed 's/^/   segments listed: /'

echo "4. The two change places, at the same address. If-Match: only if nobody else changed it since."
revision=$(echo "$session" | sed -n 's/.*"revision":\([0-9]*\).*/\1/p')
changed=$(ask -X PATCH "$origin/v1/sessions/$id" -H "$json" -H "If-Match: \"$revision\"" \
    -d "{\"games\": [\"$second\", \"$first\"]}")
echo "$changed" | sed -n 's/.*"effective_segment":\([0-9]*\).*/   shows from segment \1 on/p'
echo

echo "5. A mistake is refused with a stable code, the field that is meant, and what would do."
curl --silent -H "Authorization: Bearer $key" -X PATCH "$origin/v1/sessions/$id" -H "$json" -d '{"layout": "7XL"}'
echo

echo "6. It ends: nothing is billed any more, and the playlist says so."
ask -X DELETE "$origin/v1/sessions/$id"
curl --silent --show-error --fail "$video" | grep '^#EXT-X-ENDLIST'

if [ -n "$operator" ]; then
    echo "7. What was it? (For operators.)"
    curl --silent --show-error --fail-with-body -H "Authorization: Bearer $operator" "$origin/v1/operator/usage?group_by=session&format=csv"
fi
