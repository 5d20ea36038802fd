#!/bin/sh
# Makes a video with curl alone: create, poll, save. Usage: sh examples/curl.sh [prompt] [file]
set -eu
url=${SORA_URL:-http://127.0.0.1:3000}
key=${SORA_API_KEY:?set SORA_API_KEY to your API key}
prompt=${1:-A paper boat on a mountain lake}
file=${2:-video.mp4}

call() { curl --silent --show-error --fail-with-body -H "x-api-key: $key" "$@"; }
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

# A form needs no quoting of the prompt; JSON does as well.
id=$(call "$url/api/v1/videos" --form-string "prompt=$prompt" -F duration=2 -F resolution=320x180 | field jobId)
echo "job $id"

while :; do
  status=$(call "$url/api/v1/videos/$id" | field status)
  echo "$status"
  case $status in
    completed) break ;;
    failed | cancelled) exit 1 ;;
  esac
  sleep 1
done

call "$url/api/v1/videos/$id/content" -o "$file"
echo "saved $file"
