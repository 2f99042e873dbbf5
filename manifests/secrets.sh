#!/bin/sh
# Makes what is missing in a folder of secrets (default: secrets) for manifests/compose.yaml: `make secrets`.
#
# Passwords and the webhook's token are drawn at random. The two of Slack are taken from SLACK_BOT_TOKEN and
# SLACK_SIGNING_SECRET of the environment; else the last lines say which files are still to be written.
# Nothing that is there is changed. Each file holds one secret; the folder is closed to others, because its files
# have to be readable by the users inside the containers.
set -eu

folder=${1:-secrets}
mkdir -p "$folder/observer"
chmod 700 "$folder"
chmod 755 "$folder/observer"

write() {
    [ -s "$folder/$1" ] || { printf '%s\n' "$2" >"$folder/$1" && chmod 644 "$folder/$1"; }
}

drawn() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

for name in db_root_password db_migrator_password db_keeper_password db_reader_password; do
    write "$name" "$(drawn)"
done
for name in db_password webhook_token; do
    write "observer/$name" "$(drawn)"
done

missing=''
for name in SLACK_BOT_TOKEN SLACK_SIGNING_SECRET; do
    file=observer/$(printf %s "$name" | tr '[:upper:]' '[:lower:]')
    eval "given=\${$name:-}"
    [ -z "$given" ] || write "$file" "$given"
    [ -s "$folder/$file" ] || missing="$missing $folder/$file"
done
for file in $missing; do
    echo "still to be written: $file"
done
