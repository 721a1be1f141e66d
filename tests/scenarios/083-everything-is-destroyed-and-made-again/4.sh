ivs-apply destroy --yes
ivs-apply plan --detailed-exitcode
