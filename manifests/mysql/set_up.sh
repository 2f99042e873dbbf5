#!/bin/sh
# Runs accounts.sql or grants.sql on a server, as its administrator: what manifests/compose.yaml does at each start.
#
#     set_up.sh accounts      the database and its four accounts, with the passwords of the files in $SECRETS
#     set_up.sh grants        what they may write; after `python -m db migrate`
#
# Needs the mysql client. DB_HOST, DB_PORT (3306) and DB_NAME (observer) say where; passwords are read from
# $SECRETS/db_root_password and, for the accounts, db_migrator_password, db_password, db_keeper_password,
# db_reader_password. Both may be run again at any time: accounts get the passwords that the files hold now.
set -eu

here=$(dirname "$0")
secrets=${SECRETS:-/run/secrets}
name=${DB_NAME:-observer}

case $name in
*[!A-Za-z0-9_]*) echo "DB_NAME may have letters, digits and _ only" >&2; exit 2 ;;
esac

password() {
    text=$(cat "$secrets/$1") || exit 2
    case $text in
    '') echo "$1 is empty" >&2; exit 2 ;;
    *[!A-Za-z0-9_.~-]*) echo "$1 may have letters, digits and _ . ~ - only" >&2; exit 2 ;;
    esac
    printf %s "$text"
}

case ${1:-} in
accounts)
    migrator=$(password db_migrator_password)
    application=$(password db_password)
    keeper=$(password db_keeper_password)
    reader=$(password db_reader_password)
    sql=$(sed -e "s/'MIGRATOR_PASSWORD'/'$migrator'/" -e "s/'APPLICATION_PASSWORD'/'$application'/" \
        -e "s/'KEEPER_PASSWORD'/'$keeper'/" -e "s/'READER_PASSWORD'/'$reader'/" "$here/accounts.sql")
    ;;
grants)
    sql=$(cat "$here/grants.sql")
    ;;
*)
    echo "usage: set_up.sh accounts|grants" >&2
    exit 2
    ;;
esac

MYSQL_PWD=$(cat "$secrets/db_root_password")
export MYSQL_PWD

ask() {
    mysql --host="${DB_HOST:-127.0.0.1}" --port="${DB_PORT:-3306}" --user=root --batch --skip-column-names
}

printf '%s\n' "$sql" | sed "s/\`observer\`/\`$name\`/g" | ask

if [ "$1" = grants ]; then
    held=$(echo "SHOW GRANTS FOR 'observer'@'%'" | ask)
    if printf '%s\n' "$held" | grep '\.\* TO' | grep -v -q '^GRANT \(USAGE\|SELECT\) ON'; then
        echo "observer may do more than read all tables, as an earlier set-up let it, so it could rewrite a timeline:" \
            "begin with a new volume, or take these rights away once observer_migrator has made the triggers" >&2
        exit 1
    fi
fi
