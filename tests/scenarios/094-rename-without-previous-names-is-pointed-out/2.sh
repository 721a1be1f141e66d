ivs-apply plan
ivs-apply plan --prune --format json | grep -A 8 possibleRename
ivs-apply plan --format markdown | grep rename
